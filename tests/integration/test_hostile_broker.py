#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""skep, the command, and a broker that answers what no honest one would: counts of 2^64, other types, no end of it."""
import contextlib
import os
import re
import socket
import threading
import unittest

from fake_broker import GENERATION, FakeBroker, FakeHive, job, pack, queue
from hive import wait_until
from wire import REP

MOST = 2**64 - 1
COUNTS = ("uptime_ms", "restarts", "connections", "accepted", "requests", "messages", "rss_bytes", "cpu_ms", "jobs",
          "jobsDone", "untaken", "drain_ms")


class Counts(unittest.TestCase):
    """The greatest that the protocol has: shown as what they are or as much as can be, never as less than nothing."""

    def check(self, broker, *arguments):
        done = broker.skep(*arguments)
        self.assertEqual((done.code, done.output("err")), (0, ""), done.describe())
        self.assertIsNone(re.search(r"(?<![\w-])-\d", done.output("out")), done.describe())
        return done.output("out")

    def test_status(self):
        with FakeHive() as hive:
            hive.workers = {1: {"state": "draining", **{count: MOST for count in COUNTS}}, 2: {}}
            hive.about = {count: MOST for count in ("newsSeq", "accepted", "requests", "connections", "restarts")}
            self.check(hive, "status", "--json")
            self.check(hive, "status")

    def test_queues(self):
        with FakeBroker() as broker:
            broker.answers["queues"] = lambda _: queue("mail", ready=MOST, delayed=MOST, submitted=MOST, bytes=MOST)
            self.check(broker, "queues", "--json")
            self.assertIn(f"mail: {2 * (2**63 - 1)} jobs, and no worker handles it", self.check(broker, "queues"))

    def test_exits_and_jobs(self):
        counts = ("time", "uptime_ms", "user_ms", "system_ms", "rss_bytes", "connections", "jobs")
        with FakeBroker() as broker:
            broker.answers["exits"] = lambda _: pack("exitStatus", worker=1, pid=1, slot=0, reason="crashed", signal=9,
                                                     ready=True, **{count: MOST for count in counts})
            broker.answers["peek"] = lambda _: job(MOST, age_ms=MOST, size=2)
            for arguments in (("exits",), ("exits", "--json"), ("peek", "mail"), ("peek", "mail", "--json")):
                with self.subTest(arguments):
                    self.check(broker, *arguments)


class Deaf(unittest.TestCase):
    """The control socket ends while the broker goes on, as when the broker opens it anew."""

    def replace(self, hive, path):
        """Nobody is heard there from now on: the number of those who try."""
        refused = []
        os.unlink(path)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        self.addCleanup(listener.close)

        def refuse():
            with contextlib.suppress(OSError):
                while True:
                    listener.accept()[0].close()
                    refused.append(True)
        threading.Thread(target=refuse, daemon=True).start()
        for connection in hive.listeners[0].connections:
            connection.shutdown(socket.SHUT_RDWR)
        return refused

    def test_what_would_be_done_twice_is_asked_once(self):
        for arguments, name in ((["scale", "+2"], "scale"), (["kill", "1"], "signalWorker"),
                                (["reload"], "reload"), (["drain", "1"], "drainWorker")):
            with self.subTest(arguments), FakeHive(1, 2) as hive:
                asked = []

                def drop(question):
                    asked.append(question)
                    for connection in hive.listeners[0].connections:
                        connection.shutdown(socket.SHUT_RDWR)
                hive.answers[name] = drop
                done = hive.skep(*arguments)
                self.assertEqual(done.code, 69, done.describe())
                self.assertRegex(done.output("err"), "the answer was lost; the request may have been executed$")
                self.assertEqual(len(asked), 1)

    def test_who_is_not_heard_asks_again_until_it_is(self):
        exits = pack("event", seq=1, time=1767225600000, event="exit", worker=2, pid=1002, code=0, reason="voluntary")
        for arguments, line in ((["events"], r"\(voluntary\)"), (["drain", "2"], "worker 2 has left")):
            with self.subTest(arguments), FakeHive(1, 2) as hive:
                path, refused = hive.path(f"control.{GENERATION}"), []
                hive.answers["drainWorker"] = lambda _: pack("done")
                hive.answers["newsSince"] = lambda _: refused.append(self.replace(hive, path))
                command = hive.start(*arguments)
                self.addCleanup(command.end)
                wait_until(lambda: refused and len(refused[0]) > 3 * 3, "questions in vain", context=command.describe)
                hive.items.append(exits)
                hive.answers["newsSince"] = hive.since
                os.unlink(path)
                hive.listen(f"control.{GENERATION}", REP, hive._question)
                command.wait_line(line)


if __name__ == "__main__":
    unittest.main()
