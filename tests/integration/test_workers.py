#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The programs of workers/: each does what its row of docs/examples.md says, alone and under skep run."""
import os
import re
import shutil
import signal
import socket
import tempfile
import threading
import time
import unittest
from pathlib import Path

from hive import DEADLINE_S, Connection, Hive, free_port, get, program, run, wait_until

ANY = ("--listen", "tcp://127.0.0.1:0")
SERVING = {  # program: what it answers to GET /
    "hello": r"\AHello, World!\Z",
    "cluster-example": r"\AAn example of clusters\n\Z",
    "hello-8000": r"\AHello, world!\n\Z",
    "restart": r"\AWorker \d+ has served \d+ requests and leaked \d+ KiB\n\Z",
    "page": "\\A<h1>Hi \U0001F44B</h1>\\Z",
    "basic": r"\AHello from Worker \d+\n\Z",
    "request-count": r"\AHello from Worker \d+, I've handled \d+ requests locally\n\Z",
    "rolling": r"\AWorker \d+ responding, uptime: \d+\.\d\d seconds\n\Z",
}
ALL = (*SERVING, "timers")


def alone(name, *args, workers=2, **options):
    """A program that is its own primary, on a port of its own if it listens."""
    listen = () if name == "timers" else ANY
    return Hive(name, *listen, "--workers", str(workers), *args, primary=True, **options)


def asked(hive, field="requests"):
    return {worker["id"]: worker[field] for worker in hive.status()["workers"]}


class Load:
    """Clients that ask without a pause, fresh connections or kept ones, and note each failure."""

    def __init__(self, url, clients=4, keep_alive=False):
        self.url, self.keep_alive = url, keep_alive
        self.served, self.failures = 0, []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _ask(self):
        while not self._stop.is_set():
            try:
                with Connection(self.url) as connection:
                    while not self._stop.is_set():
                        response = connection.request(close=not self.keep_alive)
                        if response.status != 200:
                            raise AssertionError(f"status {response.status}")
                        self.served += 1
                        if response.headers.get("connection") == "close":
                            break
            except Exception as error:  # every kind is a failed request
                self.failures.append(repr(error))

    def end(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(DEADLINE_S)
        return self.failures


class Arguments(unittest.TestCase):
    def test_help(self):
        for name in ALL:
            with self.subTest(name):
                done = run(name, "--help")
                self.assertEqual(done.code, 0, done.describe())
                self.assertRegex(done.output("out"), rf"\AUsage: {name} ")
                for option in ("workers", "min-ms" if name == "timers" else "listen"):
                    self.assertIn(f"--{option} ", done.output("out"))
                self.assertEqual(done.output("err"), "")

    def test_bad_arguments_get_one_line_and_64(self):
        bad = [(name, *args) for name in ALL for args in (
            ("--nonsense",), ("stray",), ("--workers", "0"), ("--workers", "two"), ("--workers", "-1"), ("--workers",))]
        bad += [("hello", "--log-requests=yes"), ("cluster-example", "--policy", "fair"),
                ("basic", "--iterations", "1e7"), ("timers", "--min-ms", "2", "--max-ms", "1"),
                ("rolling", "--after", "soon"), ("request-count", "--interval", "0")]
        for argv in bad:
            with self.subTest(" ".join(argv)), tempfile.TemporaryDirectory(dir="/tmp") as folder:
                done = run(*argv, env={"SKEP_DIR": folder})
                self.assertEqual(done.code, 64, done.describe())
                self.assertRegex(done.output("err"), rf"\A{argv[0]}: [^\n]+\Z")


class Serving(unittest.TestCase):
    def check(self, name, hive):
        hive.wait_ready(2)
        for response in [*hive.requests(6), *hive.requests(4, keep_alive=True)]:
            self.assertEqual(response.status, 200)
            self.assertRegex(response.text, SERVING[name])
        hive.wait_status(lambda status: status["totals"]["requests"] == 10, "10 requests counted")
        hive.stop()

    def test_alone(self):
        for name in SERVING:
            with self.subTest(name), alone(name) as hive:
                self.check(name, hive)

    def test_under_skep_run(self):
        for name in SERVING:
            with self.subTest(name), Hive(name, *ANY) as hive:
                self.check(name, hive)

    def test_interrupt_is_a_clean_stop_too(self):
        with alone("hello") as hive:
            hive.wait_ready(2)
            hive.stop(sig=signal.SIGINT)

    def test_port_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            url = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
            for name in SERVING:
                with self.subTest(name), Hive(name, "--listen", url, "--workers", "2", primary=True) as hive:
                    self.assertEqual(hive.wait_exit(), 78, hive.describe())
                    lines = [line for line in hive.output("err").splitlines() if "cannot listen" in line]
                    self.assertIn(len(lines), (1, 2), hive.describe())
                    self.assertRegex(lines[0], rf"\A{name}: cannot listen on {re.escape(url)}: .*in use")

    def test_bad_url(self):
        with Hive("hello", "--listen", "http://127.0.0.1:1", "--workers", "1", primary=True) as hive:
            self.assertEqual(hive.wait_exit(), 78)
            hive.wait_line(r"\Ahello: cannot listen on http://127\.0\.0\.1:1: (?!http:).", stream="err")

    def test_unix_listener_and_other_methods(self):
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            url = f"unix://{folder}/web"
            with Hive("hello", "--listen", url) as hive:
                hive.wait_ready(2)
                self.assertEqual(get(url).text, "Hello, World!")
                with Connection(url) as connection:
                    connection.sock.sendall(b"POST /form HTTP/1.1\r\nHost: skep\r\nContent-Length: 3\r\n\r\na=b")
                    self.assertEqual(connection.response().text, "Hello, World!")
                    self.assertEqual(connection.request().text, "Hello, World!")
                hive.stop()


class Leaving(unittest.TestCase):
    """What has begun is finished, what is silent is closed."""

    def test_requests_under_way_are_answered_and_silent_connections_closed(self):
        with alone("hello", workers=1) as hive:
            hive.wait_ready(1)
            url = hive.url
            begun, body, silent, used = (Connection(url) for _ in range(4))
            with begun, body, silent, used:
                used.request()
                begun.sock.sendall(b"GET / HTTP/1.1\r\nHost: skep\r\n")
                body.sock.sendall(b"POST / HTTP/1.1\r\nHost: skep\r\nContent-Length: 4\r\n\r\nab")
                hive.wait_status(lambda status: status["totals"]["connections"] == 4, "4 connections")
                os.kill(hive.pid, signal.SIGTERM)
                self.assertTrue(used.closed_by_peer())
                self.assertTrue(silent.closed_by_peer())
                begun.sock.sendall(b"\r\n")
                body.sock.sendall(b"cd")
                for connection in (begun, body):
                    response = connection.response()
                    self.assertEqual((response.status, response.headers.get("connection")), (200, "close"))
                    self.assertTrue(connection.closed_by_peer())
            self.assertEqual(hive.wait_exit(), 0, hive.describe())


class Hello(unittest.TestCase):
    def test_the_primary_logs_what_happens(self):
        with alone("hello", workers=3) as hive:
            hive.wait_ready(3)
            for worker, pid in hive.pids().items():
                hive.wait_line(rf"\AWorker {pid} is online\.\Z")
                hive.wait_line(rf"\AWorker {worker} is listening on tcp://127\.0\.0\.1:\d+\.\Z")
                hive.wait_line(rf"\AMessage from worker {pid}: listening on tcp://127\.0\.0\.1:\d+\Z")
            pids = hive.pids()
            os.kill(pids[2], signal.SIGKILL)
            hive.wait_line(rf"\AWorker {pids[2]} died with code null and signal 9\.\Z")
            hive.wait_ready(2)
            hive.stop()
            self.assertEqual(hive.count(r"died with code 0 and signal null\.\Z"), 2, hive.describe())

    def test_all_workers_serve(self):
        with alone("hello", "--log-requests", workers=3) as hive:
            hive.wait_ready(3)
            hive.requests(9, path="/who")
            hive.wait_status(lambda status: status["totals"]["requests"] == 9, "9 requests counted")
            self.assertEqual(asked(hive), {1: 3, 2: 3, 3: 3})
            for worker in (1, 2, 3):
                hive.wait_line(rf"\AWorker {worker} answers /who\.\Z", times=3)
            hive.stop()

    def test_it_ends_with_its_last_worker(self):
        with alone("hello", workers=1) as hive:
            hive.wait_ready(1)
            hive.kill9(hive.pids()[1])
            self.assertEqual(hive.wait_exit(), 0, hive.describe())


class ClusterExample(unittest.TestCase):
    def test_what_it_prints(self):
        with alone("cluster-example") as hive:
            hive.wait_ready(2)
            hive.wait_line(rf"\AMaster with Process ID : {hive.pid} is running\Z")
            for pid in hive.pids().values():
                hive.wait_line(rf"\AWorker with Process ID : {pid} started\Z")
            pid = hive.pids()[1]
            hive.kill9(pid)
            hive.wait_line(rf"\Aworker with Process ID : {pid} died\Z")
            hive.stop()

    def test_rotation_under_round_robin(self):
        with alone("cluster-example", workers=3) as hive:
            hive.wait_ready(3)
            hive.requests(30)
            hive.wait_status(lambda status: status["totals"]["requests"] == 30, "30 requests counted")
            self.assertEqual(asked(hive, "accepted"), {1: 10, 2: 10, 3: 10})
            hive.stop()

    def test_each_policy_serves(self):
        for policy in ("round-robin", "least-connections", "sticky", "shared", "reuseport"):
            with self.subTest(policy), alone("cluster-example", "--policy", policy) as hive:
                self.assertEqual(hive.wait_ready(2)["policy"], policy)
                self.assertEqual({response.text for response in hive.requests(20)}, {"An example of clusters\n"})
                hive.wait_status(lambda status: status["totals"]["accepted"] == 20, "20 connections accepted")
                hive.stop()

    def test_the_tour_shows_all_that_the_seed_lists(self):
        with alone("cluster-example", "--tour", workers=3) as hive:
            self.assertEqual(hive.wait_exit(), 0, hive.describe())
        out = hive.output("out")
        at = 0
        for line in (r"cluster\.isMaster true, cluster\.isWorker false",
                     r"cluster\.setupMaster\(\): cluster\.settings\.exec \S+",
                     r"cluster\.schedulingPolicy round-robin", r"cluster\.fork\(\): success",
                     "cluster event: fork, worker 1", r"cluster\.workers:",
                     r"  worker\.id 1, worker\.process \d+, isConnected\(\) true, isDead\(\) false, "
                     "exitedAfterDisconnect undefined",
                     r"worker\.send\(\): success",
                     r"worker 1 says: I am cluster\.worker, id 1, isConnected\(\) true, and got a greeting",
                     r"worker\.kill\(\): success",
                     r"  worker\.id 1, .* isDead\(\) true, exitedAfterDisconnect false", r"worker\.disconnect\(\)",
                     r"  worker\.id 2, .* isDead\(\) true, exitedAfterDisconnect true",
                     r"cluster\.disconnect\(\): all workers have disconnected"):
            found = re.compile(rf"^{line}$", re.M).search(out, at)
            self.assertTrue(found, f"{line!r} not after character {at}\n{hive.describe()}")
            at = found.start()
        for event in ("setup", "fork", "online", "listening", "message", "disconnect", "exit"):
            self.assertRegex(out, rf"(?m)^cluster event: {event}\b", hive.describe())
        for event in ("online", "listening", "message", "disconnect", "exit"):
            self.assertRegex(out, rf"(?m)^worker event: {event}, worker 1$", hive.describe())
        self.assertRegex(out, r"(?m)^worker\.send\(\) to the dead: (?!success)")


class Hello8000(unittest.TestCase):
    def test_what_it_prints(self):
        with alone("hello-8000") as hive:
            hive.wait_ready(2)
            hive.wait_line(rf"\AMaster {hive.pid} is running\Z")
            pids = hive.pids()
            for pid in pids.values():
                hive.wait_line(rf"\AWorker {pid} started and listening on tcp://127\.0\.0\.1:\d+\Z")
            hive.kill9(pids[1])
            hive.wait_line(rf"\AWorker {pids[1]} died\Z")
            hive.stop()


class Restart(unittest.TestCase):
    def test_a_worker_that_bites_the_dust_is_replaced(self):
        with alone("restart") as hive:
            hive.wait_ready(2)
            pid = hive.pids()[1]
            hive.kill9(pid)
            hive.wait_line(rf"\A{pid} bit the dust; 0 requests served so far\Z")
            hive.wait_status(lambda status: sorted(worker["id"] for worker in status["workers"]) == [2, 3], "worker 3")
            hive.wait_ready(2)
            hive.stop()

    def test_a_leaky_worker_is_replaced_and_its_last_request_answered(self):
        with alone("restart", "--leak-kib", "100", "--limit-kib", "300", workers=2) as hive:
            hive.wait_ready(2)
            texts = [response.text for response in hive.requests(6)]
            self.assertEqual(sum("has served 3 requests and leaked 300 KiB" in text for text in texts), 2, texts)
            hive.wait_line(r"\Arestart: \d+ is out of memory\Z", times=2)
            hive.wait_line(r"\A\d+ bit the dust", times=2)
            hive.wait_status(lambda status: {worker["id"] for worker in status["workers"]} == {3, 4}, "two new workers")
            hive.wait_ready(2)
            self.assertIn("has served 1 requests", hive.get().text)
            hive.stop()

    def test_nothing_is_shared_but_messages(self):
        with alone("restart", workers=2) as hive:
            hive.wait_ready(2)
            texts = [response.text for response in hive.requests(8)]
            self.assertEqual(sum("has served 4 requests" in text for text in texts), 2, "each has a copy of its own")
            hive.wait_status(lambda status: status["totals"]["requests"] == 8, "8 requests counted")
            hive.kill9(hive.pids()[1])
            hive.wait_line(r"bit the dust; 8 requests served so far\Z")
            hive.stop()

    def test_another_program_for_the_workers(self):
        with Hive("restart", "--workers", "2", "--exec", program("hello"), "--", *ANY, primary=True) as hive:
            hive.wait_ready(2)
            self.assertEqual(hive.get().text, "Hello, World!")
            pid = hive.pids()[2]
            hive.kill9(pid)
            hive.wait_line(rf"\A{pid} bit the dust")
            hive.wait_status(lambda status: [worker["id"] for worker in status["workers"]] == [1, 3], "worker 3")
            hive.stop()

    def test_no_storm_of_forks(self):
        with Hive("restart", "--workers", "1", "--exec", "/bin/false", primary=True) as hive:
            begin = time.monotonic()
            hive.wait_line("bit the dust", times=3)
            self.assertGreater(time.monotonic() - begin, 1.5, "a fork a second at most")


class Timers(unittest.TestCase):
    def test_it_ends_by_itself_when_all_are_done(self):
        with alone("timers", "--min-ms", "10", "--max-ms", "200", workers=3) as hive:
            self.assertEqual(hive.wait_exit(), 0, hive.describe())
        lines = hive.output("out").splitlines()
        ended = [line.split()[-1] for line in lines if line.startswith("process ended ")]
        self.assertEqual(lines.count("timeout"), 3, hive.describe())
        self.assertEqual(sorted(ended), sorted(line for line in lines if line.isdigit()))
        self.assertEqual(len(set(ended)), 3)
        self.assertEqual(lines[-1], "all done \u2705")

    def test_a_worker_that_fails_shows_in_the_exit_status(self):
        with alone("timers", "--min-ms", "100", "--max-ms", "100000", workers=1) as hive:
            hive.kill9(hive.wait_ready(1)["workers"][0]["pid"])
            self.assertEqual(hive.wait_exit(), 1, hive.describe())

    def test_it_stops_when_told(self):
        with alone("timers", "--min-ms", "100000", "--max-ms", "100000") as hive:
            hive.wait_ready(2)
            hive.stop()

    def test_under_skep_run_each_is_replaced(self):
        with Hive("timers", "--min-ms", "10", "--max-ms", "50", workers=2) as hive:
            hive.wait_line(r"\Atimeout\Z", times=4)
            hive.stop()


class Page(unittest.TestCase):
    def test_the_page_and_what_is_none(self):
        with alone("page") as hive:
            hive.wait_ready(2)
            hive.wait_line(rf"\Athis is the primary {hive.pid}\Z")
            hive.wait_line(r"\AListening\Z", times=2)
            page = hive.get()
            self.assertEqual((page.text, page.headers["content-type"]),
                             ("<h1>Hi \U0001F44B</h1>", "text/html; charset=utf-8"))
            self.assertEqual((hive.get("/other").status, hive.get("/other").text), (404, "Cannot GET /other\n"))
            hive.stop()

    def test_two_workers_by_default_and_any_exit_forks(self):
        with Hive("page", *ANY, primary=True) as hive:
            hive.wait_ready(2)
            pids = hive.pids()
            hive.kill9(pids[1])
            hive.wait_line(rf"\Athis process stopped {pids[1]}\Z")
            hive.wait_status(lambda status: [worker["id"] for worker in status["workers"]] == [2, 3], "worker 3")
            hive.wait_ready(2)
            self.assertEqual(hive.get().status, 200)
            hive.stop()
            self.assertEqual(hive.count("this process stopped"), 3, hive.describe())


class Basic(unittest.TestCase):
    def test_roles_are_printed_and_a_crash_is_replaced(self):
        with alone("basic") as hive:
            hive.wait_ready(2)
            hive.wait_line(rf"\AMaster {hive.pid} is running\Z")
            pids = hive.pids()
            for pid in pids.values():
                hive.wait_line(rf"\AWorker {pid} started\Z")
            os.kill(pids[1], signal.SIGABRT)
            hive.wait_line(rf"\AWorker {pids[1]} died\Z")
            hive.wait_line(r"\AForking a new worker\.\.\.\Z")
            hive.wait_status(lambda status: [worker["id"] for worker in status["workers"]] == [2, 3], "worker 3")
            hive.stop()
            self.assertEqual(hive.count("Forking a new worker"), 1, hive.describe())

    def test_the_work_begins_after_the_reply_has_left(self):
        with alone("basic", "--iterations", "500000000", workers=1) as hive:
            hive.wait_ready(1)
            url, pid = hive.url, hive.pids()[1]
            begin = time.monotonic()
            self.assertEqual(get(url).text, f"Hello from Worker {pid}\n")
            replied = time.monotonic()
            self.assertEqual(get(url).text, f"Hello from Worker {pid}\n")
            self.assertGreater(time.monotonic() - replied, 3 * (replied - begin), "the second waits for the work")


class RequestCount(unittest.TestCase):
    TOTALS = r"\ATotal request counts: \{(.*)\}\Z"

    def totals(self, hive, wanted):
        """Waits until the counts that the primary printed last are those wanted, by worker."""
        text = ", ".join(f"{worker}: {count}" for worker, count in wanted.items())
        hive.wait_line(rf"\ATotal request counts: \{{{text}\}}\Z")

    def test_sums_agree_with_what_was_sent(self):
        with alone("request-count", "--interval", "1", workers=2) as hive:
            hive.wait_ready(2)
            hive.wait_line(rf"\AMaster {hive.pid} is running\Z")
            texts = [response.text for response in hive.requests(10)]
            for worker, pid in hive.pids().items():
                own = [text for text in texts if f"Worker {pid}," in text]
                wanted = [f"Hello from Worker {pid}, I've handled {n} requests locally\n" for n in range(1, 6)]
                self.assertEqual(own, wanted)
                hive.wait_line(rf"\AWorker {pid} has handled 5 requests according to master\Z")
            self.totals(hive, {1: 5, 2: 5})
            hive.stop()

    def test_a_replaced_worker_counts_from_0_and_is_counted(self):
        with alone("request-count", "--interval", "1", workers=2) as hive:
            hive.wait_ready(2)
            hive.requests(6)
            self.totals(hive, {1: 3, 2: 3})
            pid = hive.pids()[1]
            hive.kill9(pid)
            hive.wait_line(rf"\AWorker 1 \(pid {pid}\) died; it had handled 3 requests\Z")
            hive.wait_status(lambda status: [worker["id"] for worker in status["workers"]] == [2, 3], "worker 3")
            hive.wait_ready(2)
            hive.requests(4)
            self.totals(hive, {2: 5, 3: 2})
            hive.wait_line(rf"\AWorker {hive.pids()[3]} has handled 2 requests according to master\Z")
            self.assertEqual(hive.wait_status(lambda status: True)["totals"]["requests"], 10, "totals do not go back")
            hive.stop()

    def test_under_skep_run_workers_are_told_too(self):
        with Hive("request-count", *ANY, workers=2, interval_s=1) as hive:
            hive.wait_ready(2)
            hive.requests(8)
            for pid in hive.pids().values():
                hive.wait_line(rf"\AWorker {pid} has handled 4 requests according to master\Z")
            hive.stop()


class Rolling(unittest.TestCase):
    def restarted(self, keep_alive):
        with alone("rolling", "--after", "2", "--pause-ms", "50", workers=2) as hive:
            hive.wait_ready(2)
            old = hive.pids()
            load = Load(hive.url, keep_alive=keep_alive)
            hive.wait_line(r"\AStarting zero-downtime restart\.\.\.\Z")
            hive.wait_line(r"\AAll workers restarted successfully!\Z")
            hive.wait_status(lambda found: {worker["id"] for worker in found["workers"]} == {3, 4}, "only new workers")
            served = load.served
            wait_until(lambda: load.served > served or load.failures, "the new workers to serve", context=hive.describe)
            self.assertEqual(load.end(), [], hive.describe())
            for pid in old.values():
                self.assertEqual(hive.count(rf"\ARestarting worker {pid}\.\.\.\Z"), 1, hive.describe())
            self.assertEqual(hive.count("unexpectedly"), 0, hive.describe())
            hive.stop()

    def test_no_request_on_a_fresh_connection_fails(self):
        self.restarted(keep_alive=False)

    def test_no_request_on_a_kept_connection_fails(self):
        self.restarted(keep_alive=True)

    def test_only_unvoluntary_exits_respawn(self):
        with alone("rolling", "--after", "1000") as hive:
            hive.wait_ready(2)
            pid = hive.pids()[2]
            hive.kill9(pid)
            hive.wait_line(rf"\AWorker {pid} died unexpectedly, replacing it\.\.\.\Z")
            hive.wait_status(lambda status: [worker["id"] for worker in status["workers"]] == [1, 3], "worker 3")
            hive.stop()
            self.assertEqual(hive.count("unexpectedly"), 1, hive.describe())

    def test_new_workers_that_die_first_do_not_stall_it(self):
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            copy, broken = Path(folder, "rolling"), Path(folder, "broken")
            shutil.copy(program("rolling"), copy)
            broken.write_text("#!/bin/sh\nexit 3\n")
            broken.chmod(0o755)
            with alone(str(copy), "--after", "2", "--pause-ms", "50") as hive:
                hive.wait_ready(2)
                old = hive.pids()
                broken.rename(copy)  # the next version does not start
                hive.wait_line(r"\ANew worker \d+ died before it listened\Z", times=2)
                hive.wait_line(r"\A2 workers could not be restarted\Z")
                self.assertEqual(hive.wait_ready(2) and hive.pids(), old)
                self.assertEqual(hive.get().status, 200)
                hive.stop()


if __name__ == "__main__":
    unittest.main()
