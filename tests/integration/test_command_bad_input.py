#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""skep, the command, given what it cannot use: one clear line, the documented exit status, nothing half-started."""
import json
import os
import re
import shutil
import signal
import socket
import tempfile
import unittest
from pathlib import Path

from hive import Hive, Process, is_alive, program, run

LISTEN = ("--listen", "tcp://127.0.0.1:0")
NOBODY = 65534


class BadInput(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="skep-", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.folder, True)

    def path(self, name, content=None, mode=0o755):
        path = Path(self.folder, name)
        if content is not None:
            path.write_text(content)
            path.chmod(mode)
        return str(path)

    def check(self, done, code, pattern):
        """Exactly one line that begins with skep:, beside log lines of a broker that had begun; nothing on stdout."""
        said = [line for line in done.output("err").split("\n") if not re.match(r"\d{4}-\d\d-\d\dT", line)]
        self.assertEqual((done.code, len(said), done.output("out")), (code, 1, ""), done.describe())
        self.assertRegex(said[0], rf"^skep: {pattern}")

    def fails(self, code, pattern, *arguments, deadline_s=20):
        self.check(run("skep", *arguments, deadline_s=deadline_s), code, pattern)

    def run_fails(self, code, pattern, *arguments, dir=None):
        """skep run fails, and no broker is in the directory then."""
        dir = dir or self.path("hive")
        self.fails(code, pattern, "run", "-n", 2, "--dir", dir, *arguments)
        self.assertEqual(run("skep", "status", "--dir", dir).code, 69 if len(dir) <= 76 else 73)


class Usage(BadInput):
    def test_commands_and_options(self):
        self.fails(64, "COMMAND is missing; skep help lists the commands$")
        self.fails(64, "frobnicate: unknown command", "frobnicate")
        self.fails(64, "a\\?b: unknown command", "a\nb")
        self.fails(64, "--json: unknown option", "--json")
        self.fails(64, "nothing: unknown command", "help", "nothing")
        self.fails(64, "status: --frobnicate: unknown option", "status", "--frobnicate")
        self.fails(64, "status: -n: unknown option", "status", "-n", "3")
        self.fails(64, "stop: --json: unknown option", "stop", "--json")
        self.fails(64, "status: extra: unexpected argument", "status", "extra")
        self.fails(64, "status: --json=yes: takes no value", "status", "--json=yes")
        self.fails(64, "events: --dir: expected a value", "events", "--dir")
        self.fails(64, "status: --dir : the directory is empty", "status", "--dir", "")
        for name in ("", "a/b", "..", "x" * 65, "a b"):
            self.fails(64, f"stop: --name {re.escape(name)}: the name ", "stop", "--name", name)

    def untouched(self, pattern, *arguments):
        """Wrong arguments of run, which must be found before anything is made."""
        self.fails(64, pattern, "run", "--dir", self.path("hive"), *arguments)
        self.assertFalse(os.path.exists(self.path("hive")))

    def test_program_missing_in_the_arguments(self):
        self.untouched("run: PROGRAM is missing")
        self.untouched("run: PROGRAM is missing", "-n", "2", "--")
        self.untouched("run: PROGRAM is missing", "--", "")

    def test_numbers(self):
        for value in ("0", "-1", "x", "1.5", "1001", "", " 2", "99999999999999999999"):
            self.untouched(f"run: -n {re.escape(value)}: expected a number from 1 to 1000, or auto$",
                           "-n", value, "--", "/bin/true")
        self.untouched("run: --workers 0: expected a number from 1 to 1000, or auto$", "--workers", "0", "--", "/bin/true")
        self.untouched("run: --workers 0: expected a number from 1 to 1000, or auto$", "--workers=0", "--", "/bin/true")
        self.untouched("run: -n 0: expected a number from 1 to 1000, or auto$", "-n0", "--", "/bin/true")
        for value in ("0", "254", "many"):
            self.untouched(f"run: --credit {value}: expected a number from 1 to 253$", "--credit", value, "/bin/true")
        for value in ("0", "-1", "many", "4294967296"):
            self.untouched(f"run: --max-connections {value}: expected a number from 1 on$", "--max-connections", value,
                           "/bin/true")
        for option in ("--interval", "--ready-timeout", "--drain-timeout"):
            for value in ("0", "-1", "soon", "nan", "inf", "86401", "1e3", "0x10", "1.2.3", "."):
                self.untouched(f"run: {option} {re.escape(value)}: expected a time", option, value, "/bin/true")

    def test_policy(self):
        for value in ("fair", "custom", ""):
            self.untouched(f"run: --policy {value}: expected round-robin, ", "--policy", value, "/bin/true")

    def test_a_limit_where_workers_accept(self):
        for policy in ("shared", "reuseport"):
            self.untouched(f"at most 5 connections: not with policy {policy}, by which workers accept$", "--policy",
                           policy, "--max-connections", "5", "/bin/true")

    def test_policy_of_the_environment(self):
        done = run("skep", "run", "-n", 1, "--dir", self.path("hive"), "--", "/bin/true", env={"SKEP_POLICY": "fair"})
        self.check(done, 64, "run: SKEP_POLICY=fair: expected round-robin, ")
        self.assertFalse(os.path.exists(self.path("hive")))

    def test_listeners(self):
        for value, why in (("web", "expected NAME=URL"), ("=tcp://127.0.0.1:0", "the name is empty"),
                           ("web=", "."), ("web=8000", "."), ("web=http://127.0.0.1:80", "."),
                           ("web=tcp://127.0.0.1", "."), ("web=tcp://127.0.0.1:65536", "."),
                           ("web=tcp://no.such.host:80", "."), ("web=unix://", "the path is missing"),
                           ("web=unix:///x?mode=8", "the mode is not octal"), ("web=fd://x", "."),
                           ("web=unix:///x?owner=no-such-user", "there is no such user"),
                           ("web=fd://77", "there is no stream socket under this number"),
                           ("web=unix:///" + "x" * 200, "."), ("tcp://127.0.0.1:0", "expected NAME=URL"),
                           ("x" * 65 + "=tcp://127.0.0.1:0", "the name is longer")):
            self.untouched(f"run: -l {re.escape(value)}: {why}", "-l", value, "--", "/bin/true")
        self.untouched("run: -l a=tcp://127.0.0.1:0: this name is used twice", "-l", "a=tcp://127.0.0.1:0",
                       "-l", "a=tcp://127.0.0.1:0", "--", "/bin/true")


class Program(BadInput):
    def test_missing(self):
        self.run_fails(127, r".*/no/such/program\b", "--", "/no/such/program")
        self.run_fails(127, r".*no-such-program-anywhere\b", "--", "no-such-program-anywhere")

    def test_not_executable(self):
        self.run_fails(126, ".*plain", "--", self.path("plain", "#!/bin/sh\n", mode=0o644))
        self.run_fails(126, ".*skep-", "--", self.folder)

    def test_a_worker_that_exits_at_once_is_started_again_ever_more_slowly(self):
        with Hive(None, "/bin/false", workers=1) as hive:
            exits = [hive.wait_line(r"exited with status 1 \(crashed\), replacement in (\d+) ms", times=i + 1)
                     for i in range(5)]
            delays = [int(found.group(1)) for found in exits]
            self.assertGreater(delays[4], 4 * max(delays[0], 1), delays)
            status = hive.status()
            self.assertLessEqual(status["totals"]["restarts"], 6)
            self.assertLessEqual(len(status["workers"]), 1)
            self.assertLessEqual(hive.count("started"), 6)
            hive.stop()

    def test_a_worker_that_never_gets_ready_is_killed(self):
        with Hive(None, "/bin/sleep", "1000", workers=1, options=["--ready-timeout", "0.3"]) as hive:
            first = int(hive.wait_line(r"worker 1 pid (\d+): started").group(1))
            hive.wait_line(r"worker 1 pid .*: killed by SIG(KILL|TERM) \(not-ready\), replacement in \d+ ms")
            self.assertFalse(is_alive(first))
            hive.wait_line("worker 2 pid .*: started")
            self.assertEqual(hive.count(": ready$"), 0)
            hive.stop()

    def test_a_worker_that_is_not_ready_does_not_hold_a_stop_up(self):
        with Hive(None, "/bin/sleep", "1000", workers=1, options=["--drain-timeout", "0.1"]) as hive:
            hive.wait_line("worker 1 pid .*: started")
            hive.stop()
            hive.wait_line(r"killed by SIGTERM \(drain-timeout\)$")

    def test_a_worker_that_says_it_cannot_start_ends_it_all(self):
        with Hive(None, "/bin/sh", "-c", "exit 78", workers=3) as hive:
            self.assertEqual(hive.wait_exit(), 78)
            said = [line for line in hive.output("err").split("\n") if line.startswith("skep: ")]
            self.assertRegex("\n".join(said), r"\Askep: /bin/sh: worker \d cannot start: it exited with status 78 "
                                              r"before it was ready\Z")
            self.assertEqual(hive.count("started$"), 3)
            self.assertEqual(hive.count("replacement in"), 0)

    def test_a_worker_whose_port_is_taken_ends_it_all(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            url = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
            with Hive("hello", "--listen", url, workers=2) as hive:
                self.assertEqual(hive.wait_exit(), 78)
                self.assertIn(url, hive.output("err"))


class Listener(BadInput):
    def test_port_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            url = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
            self.run_fails(69, f".*{re.escape(url)}.*in use", "-l", f"web={url}", "--", "/bin/true")

    def test_address_of_another_machine(self):
        self.run_fails(69, r".*tcp://192\.0\.2\.1:8000", "-l", "web=tcp://192.0.2.1:8000", "--", "/bin/true")

    def test_unix_path_in_no_directory(self):
        url = f"unix://{self.folder}/no/such/socket"
        self.run_fails(69, f".*{re.escape(url)}", "-l", f"web={url}", "--", "/bin/true")

    def test_privileged_port(self):
        limit = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
        if limit < 2:
            self.skipTest("every port may be bound by everybody here")
        self.check(self.as_nobody("-l", f"web=tcp://127.0.0.1:{min(limit - 1, 81)}", "--", "/bin/true"), 77,
                   r".*tcp://127\.0\.0\.1:\d+.*ermission denied")

    def as_nobody(self, *arguments):
        """skep run as somebody who is not root."""
        dir = self.path("hive")
        os.mkdir(dir, 0o700)
        if os.geteuid() != 0:
            return run("skep", "run", "-n", 1, "--dir", dir, *arguments)
        if not shutil.which("setpriv"):
            self.skipTest("no setpriv to stop being root with")
        os.chmod(self.folder, 0o755)
        os.chown(dir, NOBODY, NOBODY)
        return run(shutil.which("setpriv"), f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", program("skep"),
                   "run", "-n", 1, "--dir", dir, *arguments)


class Directory(BadInput):
    def test_not_private(self):
        for mode in (0o755, 0o770, 0o704):
            dir = self.path(f"hive-{mode:o}")
            os.mkdir(dir)
            os.chmod(dir, mode)
            self.run_fails(73, f"{re.escape(dir)}: ", "--", "/bin/true", dir=dir)
            self.assertEqual(os.listdir(dir), [])
            self.assertEqual(os.stat(dir).st_mode & 0o777, mode)

    def test_of_another_user(self):
        if os.geteuid() != 0:
            self.skipTest("only root can make a directory of another user")
        dir = self.path("hive")
        os.mkdir(dir, 0o700)
        os.chown(dir, NOBODY, NOBODY)
        self.run_fails(73, f"{re.escape(dir)}: ", "--", "/bin/true", dir=dir)
        self.assertEqual(os.listdir(dir), [])

    def test_no_directory_or_not_to_be_made(self):
        self.run_fails(73, ".*file: ", "--", "/bin/true", dir=self.path("file", "text"))
        self.run_fails(73, ".*file/hive: ", "--", "/bin/true", dir=self.path("file") + "/hive")
        self.run_fails(73, "/proc/hive: ", "--", "/bin/true", dir="/proc/hive")

    def test_not_writable(self):
        dir = self.path("closed")
        os.mkdir(dir, 0o755)
        argv = [program("skep"), "run", "-n", "1", "--dir", f"{dir}/hive", "--", "/bin/true"]
        if os.geteuid() == 0:
            if not shutil.which("setpriv"):
                self.skipTest("no setpriv to stop being root with")
            os.chmod(self.folder, 0o755)
            argv = [shutil.which("setpriv"), f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *argv]
        else:
            os.chmod(dir, 0o500)
        self.check(run(*argv), 73, f"{re.escape(dir)}/hive: .*ermission denied")
        self.assertEqual(os.listdir(dir), [])

    def test_too_long(self):
        dir = self.path("x" * 80)
        self.run_fails(73, ".*76 bytes", "--", "/bin/true", dir=dir)
        self.assertFalse(os.path.exists(dir))

    def test_of_another_broker(self):
        with Hive("hello", *LISTEN) as hive:
            before = hive.wait_ready(2)
            self.fails(75, f"{re.escape(hive.folder)}: .*{hive.pid}", "run", "--dir", hive.folder, "--", "/bin/true")
            self.assertEqual(hive.get().status, 200)
            after = hive.status()
            self.assertEqual(after["pid"], hive.pid)
            self.assertEqual(hive.pids(), {worker["id"]: worker["pid"] for worker in before["workers"]})
            hive.stop()


class NoBroker(BadInput):
    def test_nobody_was_ever_there(self):
        for command in ("status", "events", "stop"):
            self.fails(69, f"no broker in {re.escape(self.path('hive'))}$", command, "--dir", self.path("hive"))
            self.assertFalse(os.path.exists(self.path("hive")))

    def test_it_was_killed(self):
        with Hive("hello", *LISTEN) as hive:
            hive.wait_ready(2)
            hive.kill9(hive.pid)
            for command in ("status", "events", "stop"):
                self.fails(69, f"no broker in {re.escape(hive.folder)}$", command, "--dir", hive.folder)

    def test_it_hangs(self):
        with Hive("hello", *LISTEN) as hive:
            hive.wait_ready(2)
            os.kill(hive.pid, signal.SIGSTOP)
            commands = ("status", "events", "stop")
            for process in [Process([program("skep"), command, "--dir", hive.folder]) for command in commands]:
                self.addCleanup(process.end)
                process.code = process.wait_exit()
                self.check(process, 75, f"broker pid {hive.pid} in {re.escape(hive.folder)}: no answer in time$")
            os.kill(hive.pid, signal.SIGCONT)
            os.kill(hive.pid, signal.SIGTERM)
            code = hive.wait_exit()  # whether or not the request to stop had arrived
            self.assertEqual(code, 0, hive.describe())

    def test_directory_too_long(self):
        for command in ("status", "events", "stop"):
            self.fails(73, ".*76 bytes", command, "--dir", self.path("x" * 80))


class LivingHive(BadInput):
    """What is asked of a broker that cannot do it: the broker and its workers go on as if nothing had been."""
    MIB = 1 << 20

    def setUp(self):
        super().setUp()
        self.hive = self.enterContext(Hive("hello", *LISTEN, options=["--queue-jobs", 2]))
        self.hive.wait_ready(2)
        self.before = self.hive.pids()

    def refuses(self, code, pattern, *arguments):
        self.fails(code, pattern, *arguments, "--dir", self.hive.folder)

    def goes_on(self, **queues):
        """Queues by name, with the jobs that wait in each."""
        self.assertEqual(self.hive.get().status, 200)
        self.assertEqual(self.hive.pids(), self.before)
        found = json.loads(self.hive.skep("queues", "--json").output("out"))["queues"]
        self.assertEqual({queue["name"]: queue["ready"] for queue in found}, queues)
        self.hive.stop()

    def test_unknown_worker(self):
        for worker in ("99", "nobody"):
            self.refuses(68, f"send: no worker {worker}$", "send", worker, "x")
            self.refuses(68, f"call: no worker {worker}$", "call", worker, "x")
        self.goes_on()

    def test_payload_too_large(self):
        size = self.MIB + 1
        large = self.path("large", "x" * size, 0o600)
        argv = ("/bin/sh", "-c", 'exec "$@" <"$0"', large, program("skep"), "submit", "mail", "--dir", self.hive.folder)
        self.check(run(*argv), 65, f"submit: stdin: more than {self.MIB} bytes$")
        self.goes_on()

    def test_queue_full(self):
        for number in ("1", "2"):
            self.assertEqual(self.hive.skep("submit", "mail", "x").output("out"), number)
        self.refuses(75, "submit: mail: the queue is full$", "submit", "mail", "x")
        self.assertEqual(self.hive.skep("submit", "other", "x").code, 0)
        self.goes_on(mail=2, other=1)

    def test_unknown_queue(self):
        self.refuses(68, "peek: mail: no such queue$", "peek", "mail")
        self.refuses(68, "dead list: mail: no such queue$", "dead", "list", "mail")
        self.goes_on()


class Documents(unittest.TestCase):
    """docs/exit-status.md says what errors.def says."""

    def test_every_status_has_its_row(self):
        source = Path(os.environ["SKEP_SOURCE"])
        table = (source / "proto/include/skep/errors.def").read_text()
        errors = re.findall(r'^ERROR\((\w+), \d+, (\d+), "(.*)"\)$', table, re.M)
        page = (source / "docs/exit-status.md").read_text()
        rows = re.findall(r"^\| (\d+) \| `SKEP_(\w+)` \| (.*?) \|", page, re.M)
        self.assertEqual(sorted((name, code, text) for name, code, text in errors if name != "OK"),
                         sorted((name, code, text) for code, name, text in rows))


if __name__ == "__main__":
    unittest.main()
