#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""skep, the command, and a broker that answers what no honest one would: counts of 2^64, other types, no end of it."""
import re
import unittest

from fake_broker import FakeBroker, FakeHive, job, pack, queue

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
            self.assertIn(f"mail: {2 * (2**63 - 1)} jobs, and nobody handles it", self.check(broker, "queues"))

    def test_exits_and_jobs(self):
        counts = ("time", "uptime_ms", "user_ms", "system_ms", "rss_bytes", "connections", "jobs")
        with FakeBroker() as broker:
            broker.answers["exits"] = lambda _: pack("exitStatus", worker=1, pid=1, slot=0, reason="crashed", signal=9,
                                                     ready=True, **{count: MOST for count in counts})
            broker.answers["peek"] = lambda _: job(MOST, age_ms=MOST, size=2)
            for arguments in (("exits",), ("exits", "--json"), ("peek", "mail"), ("peek", "mail", "--json")):
                with self.subTest(arguments):
                    self.check(broker, *arguments)


if __name__ == "__main__":
    unittest.main()
