#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The end of what the machine gives: whoever has none is hurt and nobody else, little time is spent on it, a line says
what ran out, and it goes on as soon as there is some again."""
import os
import resource
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from faults import (PROMPT_S, TCP, Client, actor_path, actors, answers, crowd, disperse, is_sanitized, processor_s,
                    resting, stopped, worker_at, workers_of)
from hive import DEADLINE_S, Hive, program, wait_until
from jobs import Submitter, dial_control, wait_queue, wire, workers

SOMEBODY = 65533
OWN_CLIENTS, ENOMEM, ECLIENTS = 1024, 3, 35
MIB = 1024 * 1024
LITTLE = 0.25 if PROMPT_S > 1 else 0.05  # of a processor

FILL = """
import os, socket, sys
ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
for _ in range(4): socket.send_fds(ends[0], [b"x"], [0] * 200)
print("full", flush=True)
sys.stdin.read()
"""


def as_somebody(*argv):
    return ["setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups", *map(str, argv)]


def limit_processes(pid, limit):
    subprocess.run(as_somebody("prlimit", "--pid", pid, f"--nproc={limit}:"), check=True)


class FewDescriptors(Hive):
    """A broker that cannot raise its limit."""

    def _run_options(self, *arguments):
        return ["prlimit", "--nofile=128:128", *super()._run_options(*arguments)]


def limit_descriptors(pid, limit):
    """Sets the limit of a process and returns the one before."""
    return resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)


def limit_memory(pid, growth_bytes):
    """Lets a process's memory grow by so much and no more; returns the limit before."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + growth_bytes
    return resource.prlimit(pid, resource.RLIMIT_AS, (limit, resource.prlimit(pid, resource.RLIMIT_AS)[1]))


class Quiet:
    """Measures a process for a second."""

    def check_quiet(self, pid):
        began_s, used_s = time.monotonic(), processor_s(pid)
        wait_until(lambda: time.monotonic() - began_s >= 1, "a second")
        self.assertLess((processor_s(pid) - used_s) / (time.monotonic() - began_s), LITTLE)


class Workers(unittest.TestCase, Quiet):
    def test_have_the_limit_that_the_broker_was_started_with(self):
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (300, before[1]))
        try:
            hive = self.enterContext(actors(TCP, workers=1))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        pids = hive.wait_ready(1) and hive.pids()
        self.assertEqual(resource.prlimit(pids[1], resource.RLIMIT_NOFILE)[0], 300)
        self.assertGreater(resource.prlimit(hive.pid, resource.RLIMIT_NOFILE)[0], 300)
        hive.stop()

    def test_one_does_not_take_all_listeners(self):
        with actors(TCP, workers=1) as hive, Client((hive.wait_ready(1), hive.url)[1]) as client:
            heard = [client.ask(f"listen {TCP}") for _ in range(150)]
            self.assertEqual([answer for answer in heard[:127] if not answer.startswith("ok ")], [])
            self.assertEqual([answer for answer in heard[127:] if not answer.startswith("failed ETOOBIG ")], [])
            self.assertRegex(heard[-1], "this worker has 128 listeners, which is the maximum")
            line = "worker 1 pid .*: error: cannot listen on .*: this worker has 128"
            hive.wait_line(line)
            self.assertEqual(hive.count(line), 1)
            self.assertEqual(client.ask(f"close {heard[0].split()[1]}"), "ok")
            self.assertRegex(client.ask(f"listen {TCP}"), "^ok ")
            client.close()
            hive.stop()

    def test_one_that_asks_for_listeners_without_end_is_replaced(self):
        with actors(TCP, workers=1) as hive, Client((hive.wait_ready(1), hive.url)[1]) as client:
            client.sock.sendall(f"listen {TCP}\n".encode() * 1127)
            hive.wait_line("worker 1 pid .*: error: it asked 1000 times for more than 128 listeners; killed")
            hive.wait_line(r"worker 1 pid .*: killed by SIGKILL \(protocol\)")
            hive.wait_line("worker 2 pid .*: ready")
            client.close()
            hive.stop()

    def test_reuseport_beside_one_without_descriptors(self):
        with actors(TCP, workers=3, policy="reuseport") as hive:
            pids = hive.wait_ready(3) and hive.pids()
            before = limit_descriptors(pids[2], (3, resource.prlimit(pids[2], resource.RLIMIT_NOFILE)[1]))
            clients = crowd(hive.url, 60)
            heard = answers(clients)
            self.assertEqual(resting(heard), [])
            self.assertEqual(set(workers_of(heard)), {1, 3})
            hive.wait_line("worker 2 pid .*: error: it has no descriptors or memory for more connections; they go to others")
            self.check_quiet(pids[2])
            self.check_quiet(hive.pid)
            disperse(clients)
            limit_descriptors(pids[2], before)
            wait_until(lambda: worker_at(hive.url) == 2, "worker 2 to accept again")
            hive.stop()

    def test_others_serve_the_clients_of_one_without_descriptors(self):
        for policy in ("round-robin", "least-connections", "sticky", "shared"):
            with self.subTest(policy), actors(TCP, workers=3, policy=policy) as hive:
                pids = hive.wait_ready(3) and hive.pids()
                poor = worker_at(hive.url)
                before = limit_descriptors(pids[poor], (3, resource.prlimit(pids[poor], resource.RLIMIT_NOFILE)[1]))
                clients = crowd(hive.url, 30)
                heard = answers(clients)
                self.assertEqual(resting(heard), [])
                self.assertNotIn(poor, workers_of(heard))
                if policy != "shared":  # there it may be that the others are always quicker
                    hive.wait_line(f"worker {poor} pid .*: error: it has no descriptors or memory for more connections")
                disperse(clients)
                limit_descriptors(pids[poor], before)
                hive.stop()

    def test_reuseport_beside_one_that_stands_still(self):
        with actors(TCP, workers=3, policy="reuseport") as hive:
            pids = hive.wait_ready(3) and hive.pids()
            with stopped(pids[1]):
                clients = crowd(hive.url, 60)
                heard = answers(clients, enough=60 - 16)
                self.assertLessEqual(len(resting(heard)), 16)
                self.assertNotIn(1, workers_of(heard))
            self.assertEqual(resting(answers([clients[index] for index in resting(heard)])), [])
            disperse(clients)
            hive.stop()


@unittest.skipIf(is_sanitized(), "the sanitizer has memory of its own, and ends when it cannot have it")
@unittest.skipIf(os.environ.get("SKEP_TRANSPORT") == "nng", "NNG's threads ask nobody for a reserve")
class Memory(unittest.TestCase, Quiet):
    """Jobs fill the broker's memory."""

    OUT = "broker: error: out of memory; until some is free, new jobs, clients and messages are refused"

    def fill(self, submitter, queue):
        """Submits jobs until some are declined; how many were accepted."""
        while not submitter.declined:
            submitter.submit(queue, 5000, "done", outcomes=False)
            submitter.wait_answers()
        self.assertEqual(set(submitter.declined.values()), {ENOMEM})
        self.assertEqual({answer["reason"] for answer in submitter.answers if answer["cmd"] == "declined"},
                         {"the broker is out of memory"})
        return len(submitter.accepted)

    def check_nobody_is_blamed(self, hive):
        self.assertEqual(hive.status()["totals"]["bad_frames"], 0)
        for words in ("malformed", "does not read", "killed by"):
            self.assertEqual(hive.count(words), 0, hive.describe())

    def test_jobs_that_wait_are_done_all_the_same(self):
        with workers("q") as hive:
            hive.wait_ready(2)
            self.assertEqual(hive.skep("pause", "q").code, 0)
            limit_memory(hive.pid, 10 * MIB)
            with Submitter(hive.folder) as submitter:
                accepted = self.fill(submitter, "q")
            hive.wait_line(self.OUT)
            self.check_quiet(hive.pid)
            self.assertEqual(hive.skep("resume", "q").code, 0)
            wait_queue(hive, "q", lambda queue: queue["done"] == accepted, "all that were accepted to be done")
            done_s = time.monotonic()
            wait_until(lambda: hive.skep("submit", "q", "last done", "--wait").code == 0, "another job")
            self.assertLess(time.monotonic() - done_s, 2 * PROMPT_S)
            self.check_nobody_is_blamed(hive)
            hive.stop()

    def test_others_go_on(self):
        with workers("q") as hive:
            hive.wait_ready(2)
            with Submitter(hive.folder) as other, Submitter(hive.folder) as submitter:
                before = limit_memory(hive.pid, 10 * MIB)
                self.fill(submitter, "nobody's")
                limit_memory(hive.pid, 0)
                self.check_quiet(hive.pid)
                self.assertEqual(hive.skep("queues").code, 0)
                refused = hive.skep("submit", "q", "x done")
                self.assertEqual(refused.code, 71, refused.describe())
                self.assertRegex(refused.output("err"), "out of memory")
                resource.prlimit(hive.pid, resource.RLIMIT_AS, before)
                released_s = time.monotonic()
                wait_until(lambda: hive.skep("submit", "q", "last done", "--wait").code == 0, "a client")
                self.assertLess(time.monotonic() - released_s, 2 * PROMPT_S)
                other.submit("q", 10)
                other.wait_outcomes()
            self.check_nobody_is_blamed(hive)
            hive.stop()


@unittest.skipUnless(os.geteuid() == 0, "only root can act for others and lift limits")
class Users(unittest.TestCase, Quiet):
    """Limits of one user, which are not root's."""

    def test_processes(self):
        with actors(TCP, workers=2, user=SOMEBODY) as hive:
            pids = hive.wait_ready(2) and hive.pids()
            before = resource.getrlimit(resource.RLIMIT_NPROC)[0]
            limit_processes(hive.pid, 1)
            os.kill(pids[1], signal.SIGKILL)
            hive.wait_line("broker: error: no replacement: fork: out of processes, .*; trying again")
            self.check_quiet(hive.pid)
            self.assertEqual(worker_at(hive.url), 2)
            self.assertEqual(hive.count("no replacement"), 1)
            self.assertEqual(hive.status()["breaker_s"], None)
            released_s = time.monotonic()
            limit_processes(hive.pid, before if before != resource.RLIM_INFINITY else "unlimited")
            hive.wait_line(r"worker \d+ pid \d+: ready", times=3)
            self.assertLess(time.monotonic() - released_s, 2 * PROMPT_S)
            hive.stop()

    @unittest.skipIf(os.environ.get("SKEP_TRANSPORT") == "nng", "submit has threads of NNG's")
    def test_commands_without_processes(self):
        with actors(TCP, workers=1, user=SOMEBODY) as hive:
            hive.wait_ready(1)
            for command in (("status",), ("queues",), ("exits",), ("submit", "mail", "x"), ("scale", "1"), ("stop", "--yes")):
                with self.subTest(command):
                    argv = as_somebody("prlimit", "--nproc=1:1", program("skep"), *command, "--dir", hive.folder)
                    env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
                    done = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE_S, env=env)
                    self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(hive.wait_exit(), 0)

    def test_references_in_flight(self):
        hive = self.enterContext(FewDescriptors(actor_path(), TCP, workers=2, user=SOMEBODY))
        pids = hive.wait_ready(2) and hive.pids()
        filling = as_somebody("/usr/bin/python3", "-c", FILL)
        with subprocess.Popen(filling, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as full:
            self.addCleanup(full.kill)
            self.assertEqual(full.stdout.readline(), b"full\n")
            clients = crowd(hive.url, 4)
            hive.wait_line("broker: error: too many descriptors of this user are in flight; connections wait .*")
            self.check_quiet(hive.pid)
            self.assertEqual(len(resting(answers(clients, deadline_s=0))), 4)
            full.stdin.close()
            full.wait()
            heard = answers(clients, deadline_s=PROMPT_S)
            self.assertEqual(resting(heard), [])
        disperse(clients)
        self.assertEqual(hive.pids(), pids)
        hive.stop()


class Start(unittest.TestCase):
    """Whatever it is that is missing, the one line about it names it."""

    def start_with(self, *prefix):
        with tempfile.TemporaryDirectory(prefix="skep-") as folder:
            return subprocess.run([*prefix, program("skep"), "run", "-n", "2", "--dir", f"{folder}/hive", "--", "true"],
                                  capture_output=True, text=True, timeout=DEADLINE_S)

    def test_with_few_descriptors(self):
        for limit in (*range(8, 24), 64, 72):
            with self.subTest(limit):
                done = self.start_with("prlimit", f"--nofile={limit}:{limit}")
                self.assertEqual(done.returncode, 71, done.stderr)
                self.assertRegex(done.stderr.splitlines()[-1], "^skep: (.*: )?(out of descriptors|Too many open files|"
                                 f"{limit} descriptors are too few for 1 worker: 73 are needed)$")
        done = self.start_with("prlimit", "--nofile=73:73")
        self.assertEqual(done.stderr.splitlines()[-1], "skep: 73 descriptors are too few for 2 workers: 82 are needed")

    @unittest.skipIf(is_sanitized(), "sanitizers need /proc")
    @unittest.skipIf(subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode, "no mount namespaces")
    def test_without_proc(self):
        done = self.start_with("unshare", "-m", "sh", "-c", 'umount -l /proc; exec "$0" "$@"')
        self.assertEqual(done.returncode, 71, done.stderr)
        self.assertEqual(done.stderr, "skep: cannot adopt processes: /proc/self/task: No such file or directory\n")


class Clients(unittest.TestCase):
    @unittest.skipIf(resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 4 * OWN_CLIENTS, "too few descriptors")
    def test_one_process_does_not_take_all(self):
        with actors(TCP, workers=1) as hive:
            hive.wait_ready(1)
            asker = dial_control(hive)
            self.addCleanup(asker.close)
            joined = [asker.ask("join")[0] for _ in range(OWN_CLIENTS)]
            self.assertEqual({answer["cmd"] for answer in joined}, {"joined"})
            refused, = asker.ask("join")
            self.assertEqual((refused["cmd"], refused["status"]), ("failed", ECLIENTS))
            self.assertRegex(refused["reason"], "this process has joined with all 1024 clients that it can have")
            done = hive.skep("submit", "q", "x")
            self.assertEqual(done.code, 0, done.describe())
            intake = wire.Pipe(joined[0]["intake"], wire.PUSH)
            self.addCleanup(intake.close)
            intake.send(wire.pack("client", client=joined[0]["client"]) + wire.pack("leave"))
            wait_until(lambda: asker.ask("join")[0]["cmd"] == "joined", "room for one more", context=hive.describe)
            hive.stop()


if __name__ == "__main__":
    unittest.main()
