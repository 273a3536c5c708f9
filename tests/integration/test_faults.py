#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What must survive: workers killed under load and around a hand-off, a broker without descriptors, a broker killed,
told to stop under load, or asked to share its directory, and workers that do not want to leave."""
import errno
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

from faults import (PROMPT_S, TCP, Client, HttpLoad, Load, Totals, actor_path, actors, answers, ask, by_id, crowd,
                    descriptors, disperse, kernel_queue, port_of, processor_s, quiet_descriptors, refuses, replaced, resting,
                    stopped, wait_descriptors, worker_at, workers_of)
from hive import Connection, Hive, is_alive, run, wait_until


class KilledUnderLoad(unittest.TestCase):
    """Fault 2."""
    KILLS = 6
    CLIENTS, ANSWERS = 8, 20  # between two deaths, each client has more than one answer

    def kill_some(self, hive, totals, between):
        """Kills a ready worker after each between(), round and round; when each died, from and to."""
        deaths = []
        for n in range(self.KILLS):
            between()
            status = totals.look()
            pids = [worker["pid"] for worker in status["workers"] if worker["state"] == "ready"]
            if not pids:
                continue
            before_s = time.monotonic()
            hive.kill9(pids[n % len(pids)])
            deaths.append((before_s, time.monotonic()))
        return deaths

    def check_all_back(self, hive, totals, kills, workers):
        replaced(hive, kills, workers)
        status = totals.look()
        self.assertEqual(status["totals"]["restarts"], kills)
        self.assertEqual(sorted(by_id(status, "slot").values()), list(range(workers)))
        served = {worker_at(hive.url) for _ in range(25 * workers)}
        self.assertLessEqual(served, set(by_id(status, "id")))
        if status["policy"] != "shared":  # there the quickest gets it
            self.assertEqual(len(served), workers)

    def test_only_what_a_dead_worker_had_begun_fails(self):
        for policy in ("round-robin", "shared", "reuseport"):
            with self.subTest(policy=policy), actors(TCP, workers=4, policy=policy) as hive:
                hive.wait_ready(4)
                totals = Totals(hive)
                with Load(hive.url, self.CLIENTS) as load:
                    load.wait_done(self.ANSWERS)
                    deaths = self.kill_some(hive, totals, lambda: load.wait_done(self.ANSWERS))
                    load.wait_done(self.ANSWERS)
                self.assertGreaterEqual(len(deaths), self.KILLS // 2)
                self.assertEqual(load.hung, [])
                for request in load.failed:
                    self.assertIsInstance(request.error, ConnectionError)
                    during = [death for death in deaths if request.began_s <= death[1] and death[0] <= request.ended_s]
                    self.assertNotEqual(during, [], f"{request} failed, but the deaths were at {deaths}")
                self.assertLessEqual(len(load.failed), len(deaths) * self.CLIENTS)
                self.check_all_back(hive, totals, len(deaths), 4)
                hive.wait_status(lambda status: status["totals"]["connections"] == 0, "no live connection")
                hive.stop()

    @unittest.skipUnless(shutil.which("wrk"), "wrk is not installed")
    def test_no_request_of_wrk_hangs(self):
        with Hive("hello", "--listen", TCP, workers=3) as hive:
            hive.wait_ready(3)
            totals = Totals(hive)
            url = hive.url.replace("tcp://", "http://")
            wrk = subprocess.Popen(["wrk", "-t1", "-c16", "-d3", "--timeout", "8s", "-H", "Connection: close", url],
                                   stdout=subprocess.PIPE, text=True)
            self.addCleanup(wrk.stdout.close)
            tick = threading.Event()
            deaths = 0
            while wrk.poll() is None:
                deaths += len(self.kill_one(hive, totals))
                tick.wait(0.2)  # the pace of the kills
            report = wrk.stdout.read()
            self.assertGreater(deaths, 2)
            self.assertNotRegex(report, r"timeout [1-9]|connect [1-9]", report)
            self.assertRegex(report, r"\n +[1-9]\d+ requests in ")
            replaced(hive, deaths, 3)
            totals.look()
            hive.stop()

    def kill_one(self, hive, totals):
        ready = [worker["pid"] for worker in totals.look()["workers"] if worker["state"] == "ready"]
        for pid in ready[:1]:
            hive.kill9(pid)
        return ready[:1]


class KilledAroundAHandOff(unittest.TestCase):
    """Fault 3."""

    def setUp(self):
        self.hive = self.enterContext(actors(TCP, workers=3))
        self.pids = self.hive.wait_ready(3) and self.hive.pids()
        self.url = self.hive.url
        self.baseline = quiet_descriptors(self.hive)

    def handed(self, count):
        """How many connections each worker was handed, once that is count in all."""
        status = self.hive.wait_status(lambda status: sum(by_id(status, "accepted").values()) == count,
                                       f"{count} hand-offs")
        return by_id(status, "accepted")

    def finish(self, clients, kills):
        disperse(clients)
        status = replaced(self.hive, kills, 3)
        self.assertEqual([listener["queued"] for listener in status["listeners"]], [0])
        self.hive.wait_status(lambda status: status["totals"]["connections"] == 0, "no live connection")
        wait_descriptors(self.hive, self.baseline)
        self.hive.stop()

    def test_before_it_is_taken(self):
        with stopped(self.pids[2]):
            clients = crowd(self.url, 12)
            handed = self.handed(12)[2]
            waiting = [clients[index] for index in resting(answers(clients, enough=12 - handed))]
            self.assertEqual(len(waiting), handed)
            self.assertGreater(handed, 0)
            self.hive.kill9(self.pids[2])
            heard = answers(waiting, PROMPT_S)
        self.assertEqual(len(workers_of(heard)), handed, heard)
        status = self.hive.status()
        self.assertEqual(status["totals"]["redispatched"], handed)
        self.assertEqual(status["totals"]["accepted"], 12)  # one that was handed on counts once
        self.finish(clients, 1)

    def test_while_it_is_taken(self):
        busy = Client(self.url)
        worker = int(busy.ask(f"spin {PROMPT_S * 20000}").split()[0])  # one is taken; more come meanwhile
        self.hive.wait_status(lambda status: status["totals"]["connections"] == 1, "that to be known")
        clients = crowd(self.url, 12)
        handed = self.handed(13)[worker] - 1
        waiting = [clients[index] for index in resting(answers(clients, enough=12 - handed))]
        self.assertEqual(len(waiting), handed)
        self.assertIn(handed, range(1, 6))
        self.hive.kill9(self.pids[worker])
        self.assertIsInstance(answers([busy], PROMPT_S)[0], ConnectionError)
        heard = answers(waiting, PROMPT_S)
        self.assertEqual(len(workers_of(heard)), handed, heard)
        self.finish([busy, *clients], 1)

    def test_after_it_is_taken(self):
        clients = [Client(self.url) for _ in range(12)]
        owners = [client.worker() for client in clients]
        self.assertEqual(sorted(set(owners)), [1, 2, 3])
        self.hive.kill9(self.pids[3])
        lost = [client for client, owner in zip(clients, owners) if owner == 3]
        for what in answers(lost, PROMPT_S):
            self.assertIsInstance(what, ConnectionError)
        kept = [client for client in clients if client not in lost]
        self.assertEqual([client.worker() for client in kept], [owner for owner in owners if owner != 3])
        self.finish(clients, 1)

    def test_all_of_them_at_once(self):
        with stopped(*self.pids.values()):
            clients = crowd(self.url, 30)
            self.handed(30)
            for pid in self.pids.values():
                os.kill(pid, signal.SIGKILL)
            self.assertEqual(len(workers_of(answers(clients))), 30)
        self.assertEqual(self.hive.status()["totals"]["accepted"], 30)
        self.finish(clients, 3)

    def test_one_after_the_other_while_none_takes(self):
        with stopped(*self.pids.values()):
            clients = crowd(self.url, 30)
            self.handed(30)
            self.hive.kill9(self.pids[1])
            self.hive.kill9(self.pids[2])
        self.assertEqual(len(workers_of(answers(clients))), 30)
        self.finish(clients, 2)

    def test_a_worker_that_crashes_in_its_handler(self):
        clients = crowd(self.url, 6)
        answers(clients)
        with self.assertRaises(ConnectionError):
            ask(self.url, "crash")
        self.hive.wait_line(r"exited with status 3 \(crashed\), replacement in \d+ ms")
        self.finish(clients, 1)


class OutOfDescriptors(unittest.TestCase):
    """Fault 10."""
    CLIENTS = 40

    def check_idle(self, hive, clients, window_s=1.0):
        """The broker uses little of the processor while nobody can be served."""
        before_s, began_s = processor_s(hive.pid), time.monotonic()
        self.assertEqual(resting(answers(clients, window_s)), list(range(len(clients))))
        used = (processor_s(hive.pid) - before_s) / (time.monotonic() - began_s)
        self.assertLess(used, 0.05, f"{used:.1%} of a processor")

    def test_the_limit_is_reached_while_it_runs(self):
        with actors(TCP, workers=2) as hive:
            pids = hive.wait_ready(2) and hive.pids()
            url = hive.url
            with stopped(*pids.values()):
                used = descriptors(hive.pid)
                before = resource.prlimit(hive.pid, resource.RLIMIT_NOFILE)
                resource.prlimit(hive.pid, resource.RLIMIT_NOFILE, (used + 5, before[1]))
                clients = crowd(url, self.CLIENTS)
                hive.wait_line("error: .*: out of descriptors")
                wait_until(lambda: descriptors(hive.pid) >= used + 5, "the limit to be reached")
                self.check_idle(hive, clients)
                self.assertGreater(kernel_queue(port_of(url)), self.CLIENTS / 2)
                resource.prlimit(hive.pid, resource.RLIMIT_NOFILE, before)
                wait_until(lambda: kernel_queue(port_of(url)) == 0, "accepting again", PROMPT_S)
            self.assertEqual(len(workers_of(answers(clients))), self.CLIENTS)
            disperse(clients)
            self.assertLessEqual(hive.count("out of descriptors"), 20)
            hive.stop()

    def test_released_descriptors_are_enough(self):
        with actors(TCP, workers=2) as hive:
            pids = hive.wait_ready(2) and hive.pids()
            url = hive.url
            with stopped(*pids.values()):
                used = descriptors(hive.pid)
                resource.prlimit(hive.pid, resource.RLIMIT_NOFILE, (used + 5, used + 5))
                clients = crowd(url, self.CLIENTS)
                hive.wait_line("error: .*: out of descriptors")
            self.assertEqual(len(workers_of(answers(clients, 2 * PROMPT_S))), self.CLIENTS)
            disperse(clients)
            self.assertEqual(len(workers_of([ask(url) for _ in range(20)])), 20)
            hive.stop()

    def test_a_small_limit_from_the_beginning(self):
        class Limited(Hive):
            def _run_options(self, *arguments):
                return ["/usr/bin/prlimit", "--nofile=96:96", *super()._run_options(*arguments)]
        with Limited(actor_path(), TCP, workers=2) as hive:
            pids = hive.wait_ready(2) and hive.pids()
            url = hive.url
            with stopped(*pids.values()):
                clients = crowd(url, self.CLIENTS)
                status = hive.wait_status(lambda status: status["listeners"][0]["paused"], "a pause before the limit")
                self.assertLess(status["listeners"][0]["queued"], self.CLIENTS)
                self.check_idle(hive, clients)
            self.assertEqual(len(workers_of(answers(clients))), self.CLIENTS)
            disperse(clients)
            self.assertEqual(hive.count("out of descriptors"), 0)
            hive.stop()


class BrokerKilled(unittest.TestCase):
    """Fault 15."""

    def test_no_orphan_is_left_whatever_it_does_and_another_starts_at_once(self):
        for policy in ("round-robin", "shared", "reuseport"):
            with self.subTest(policy=policy), actors("--stubborn", TCP, workers=4, policy=policy) as hive:
                pids = hive.wait_ready(4) and hive.pids()
                url = hive.url
                live = [Client(url) for _ in range(8)]
                for client in live:
                    client.worker()
                live[0].say("spin 60000")
                with stopped(pids[4]):
                    hive.kill9(hive.pid)
                    with actors(url, workers=2, policy=policy, folder=hive.folder) as second:
                        wait_until(lambda: not any(is_alive(pid) for pid in pids.values()), "orphans to end", 2)
                        second.wait_ready(2)
                        self.assertIn(worker_at(url), (1, 2))
                        self.assertEqual(second.status()["pid"], second.pid)
                        second.stop()
                for what in answers(live, PROMPT_S):
                    self.assertNotEqual(what, "resting")
                disperse(live)


class OneDirectory(unittest.TestCase):
    """Fault 16."""

    @staticmethod
    def picture(folder):
        return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
                for path in Path(folder).iterdir()}

    def test_the_second_broker_says_so_and_touches_nothing(self):
        with actors(TCP, workers=2) as hive:
            pids = hive.wait_ready(2) and hive.pids()
            before = self.picture(hive.folder)
            self.assertGreaterEqual(len(before), 6)  # lock, control, news, outbox, an inbox for each worker
            second = run("skep", "run", "-n", "2", "--dir", hive.folder, "-l", f"web={TCP}", actor_path(), "web")
            self.assertEqual(second.code, 75, second.describe())
            self.assertEqual(second.output("err"), f"skep: {hive.folder}: another broker owns it (pid {hive.pid})")
            self.assertEqual(self.picture(hive.folder), before)
            self.assertEqual(hive.pids(), pids)
            self.assertEqual({worker_at(hive.url) for _ in range(2)}, {1, 2})
            hive.stop()


class Stopped(unittest.TestCase):
    """Fault 17, and what a drain waits for."""

    def test_under_load_nothing_is_lost(self):
        for policy in ("round-robin", "least-connections", "shared", "reuseport"):
            with self.subTest(policy=policy), actors(TCP, workers=3, policy=policy) as hive:
                hive.wait_ready(3)
                url = hive.url
                with Load(url, until_refused=True) as load:
                    load.wait_done(100)
                    os.kill(hive.pid, signal.SIGTERM)
                    load.join()
                    self.assertEqual(hive.wait_exit(), 0)
                self.assertEqual(load.hung, [])
                self.assertEqual(load.failed, [])
                self.assertEqual(hive.count(r"exited with status 0 \(voluntary\)"), 3, hive.describe())

    def test_under_http_load_no_request_fails(self):
        for policy in ("round-robin", "shared", "reuseport"):
            with self.subTest(policy=policy), Hive("hello", "--listen", TCP, workers=2, policy=policy,
                                                   options=["--drain-timeout", 60]) as hive:
                hive.wait_ready(2)
                with HttpLoad(hive.url, until_refused=True) as load:
                    load.wait_more(20)
                    os.kill(hive.pid, signal.SIGTERM)
                    load.join()
                    self.assertEqual(hive.wait_exit(), 0)
                self.assertEqual(load.failed, [])
                self.assertGreater(load.reopened, 0)  # the last answer on a connection that was kept said so
                self.assertEqual(hive.count(r"exited with status 0 \(voluntary\)"), 2, hive.describe())

    def test_connections_that_were_accepted_and_not_taken_are_served(self):
        for policy in ("round-robin", "shared", "reuseport"):
            with self.subTest(policy=policy), actors(TCP, workers=2, policy=policy) as hive:
                pids = hive.wait_ready(2) and hive.pids()
                url = hive.url
                with stopped(*pids.values()):
                    clients = crowd(url, 40)
                    os.kill(hive.pid, signal.SIGTERM)
                    hive.wait_line("broker: stopping")
                self.assertEqual(len(workers_of(answers(clients))), 40)
                disperse(clients)
                self.assertEqual(hive.wait_exit(), 0)

    def test_connections_in_the_kernels_queue_are_served(self):
        with actors(TCP, workers=4) as hive:
            hive.wait_ready(4)
            url = hive.url
            with stopped(hive.pid):
                clients = crowd(url, 200)  # more than the broker accepts at a time
                os.kill(hive.pid, signal.SIGTERM)
            self.assertEqual(len(workers_of(answers(clients))), 200)
            disperse(clients)
            self.assertEqual(hive.wait_exit(), 0)

    def test_newcomers_are_turned_away_before_the_queue_is_emptied(self):
        for policy in ("shared", "reuseport"):
            with self.subTest(policy=policy), actors(TCP, workers=2, policy=policy) as hive:
                pids = hive.wait_ready(2) and hive.pids()
                url = hive.url
                with stopped(*pids.values()):
                    clients = crowd(url, 20)
                    os.kill(hive.pid, signal.SIGTERM)
                    hive.wait_line("broker: stopping")
                    newcomer = self.enterContext(socket.socket())
                    newcomer.setblocking(False)
                    newcomer.connect_ex(("127.0.0.1", port_of(url)))
                    self.assertEqual(select.select([], [newcomer], [], 0.1)[1], [])  # connected, it could only be reset
                self.assertEqual(len(workers_of(answers(clients))), 20)
                disperse(clients)
                self.assertEqual(hive.wait_exit(), 0)
                self.assertEqual(select.select([], [newcomer], [], 5)[1], [newcomer])
                self.assertEqual(newcomer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), errno.ECONNREFUSED)

    def test_a_worker_that_had_not_begun_to_listen_is_no_failure(self):
        with TemporaryDirectory(prefix="skep-", dir="/tmp") as folder:
            os.mkfifo(f"{folder}/go")
            script = f"read go < {folder}/go; exec {actor_path()} {TCP}"
            with Hive(None, "/bin/sh", "-c", script, workers=1) as hive:
                hive.wait_line("worker 1 pid .*: started")
                os.kill(hive.pid, signal.SIGTERM)
                hive.wait_line("worker 1 pid .*: draining")
                Path(folder, "go").write_text("\n")
                hive.wait_line("cannot listen on .*: the broker is stopping")
                self.assertEqual(hive.wait_exit(), 0, hive.describe())

    def test_while_it_drains_newcomers_are_refused_and_those_served_stay(self):
        for policy in ("round-robin", "shared", "reuseport"):
            with self.subTest(policy=policy), actors(TCP, workers=2, policy=policy,
                                                     options=["--drain-timeout", 1000]) as hive:
                hive.wait_ready(2)
                url = hive.url
                with Client(url) as client:
                    owner = client.worker()
                    os.kill(hive.pid, signal.SIGTERM)
                    wait_until(lambda: refuses(url), "newcomers to be refused")
                    self.assertEqual(client.worker(), owner)
                    self.assertIsNone(hive.popen.poll())
                self.assertEqual(hive.wait_exit(), 0)

    def test_a_worker_killed_in_its_drain_holds_nothing_up(self):
        with actors(TCP, workers=2, options=["--drain-timeout", 1000]) as hive:
            pids = hive.wait_ready(2) and hive.pids()
            clients = [Client(hive.url) for _ in range(2)]
            owners = {client.worker(): client for client in clients}
            os.kill(hive.pid, signal.SIGTERM)
            hive.wait_line("worker 1 pid .*: draining")
            os.kill(pids[1], signal.SIGKILL)
            self.assertIsInstance(answers([owners[1]])[0], ConnectionError)
            self.assertEqual(owners[2].worker(), 2)
            disperse(clients)
            self.assertEqual(hive.wait_exit(), 0)
            self.assertEqual(hive.count("replacement in"), 0)

    def check_pressed(self, hive, sig):
        """A worker whose connection never ends is pressed, though it answers; its exit says why."""
        hive.wait_ready(1)
        events = hive.events()
        with Client(hive.url) as client:
            client.worker()
            events.wait_line("^skep: events of ", stream="err")
            os.kill(hive.pid, signal.SIGTERM)
            self.assertIsInstance(answers([client])[0], OSError)
        self.assertEqual(hive.wait_exit(), 0)
        events.wait_exit()
        ends = [event for event in events.all() if event["event"] == "exit"]
        self.assertEqual([(end["code"], end["signal"], end["reason"]) for end in ends], [(None, sig, "drain-timeout")])
        hive.wait_line(rf"worker 1 pid \d+: killed by {sig} \(drain-timeout\)$")

    def test_unending_connections_end_by_sigterm(self):
        with actors(TCP, workers=1, options=["--drain-timeout", 0.3]) as hive:
            self.check_pressed(hive, "SIGTERM")

    def test_who_ignores_sigterm_ends_by_sigkill(self):
        with actors("--stubborn", TCP, workers=1, options=["--drain-timeout", 0.3]) as hive:
            self.check_pressed(hive, "SIGKILL")

    def test_a_worker_that_leaves_of_its_own_accord_is_pressed_too(self):
        with actors(TCP, workers=2, options=["--drain-timeout", 0.3]) as hive:
            hive.wait_ready(2)
            with Client(hive.url) as client:
                worker = client.worker()
                self.assertEqual(client.ask("leave"), "ok")
                self.assertIsInstance(answers([client])[0], OSError)
            hive.wait_line(rf"worker {worker} pid \d+: killed by SIGTERM \(drain-timeout\)$")
            wait_until(lambda: list(hive.pids()) == [3 - worker], "the other worker alone")
            hive.stop()

    def test_idle_connections_do_not_hold_a_drain_up(self):
        for policy in ("round-robin", "shared"):
            with self.subTest(policy=policy), Hive("hello", "--listen", TCP, workers=2, policy=policy,
                                                  options=["--drain-timeout", 1000]) as hive:
                hive.wait_ready(2)
                url = hive.url
                idle = [self.enterContext(Connection(url)) for _ in range(20)]
                for connection in idle:
                    self.assertEqual(connection.request().status, 200)
                silent = [self.enterContext(Connection(url)) for _ in range(5)]
                hive.wait_status(lambda status: status["totals"]["connections"] == 25, "25 live connections")
                hive.stop()
                for connection in idle + silent:
                    self.assertTrue(connection.closed_by_peer())


if __name__ == "__main__":
    unittest.main()
