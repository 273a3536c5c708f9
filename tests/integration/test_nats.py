#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Jobs in streams of NATS JetStream: brokers share them, and they outlast brokers, workers and servers."""
import contextlib
import os
import signal
import tempfile
import unittest
from pathlib import Path

from hive import run, program, wait_until
from jobs import Submitter, Workers, ask, dead_letters, job_worker_path, queue_status, wait_queue
from ledger_check import violations
from nats import NatsServer, needs_nats


@needs_nats
class Case(unittest.TestCase):
    LEASE_S = 2

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.server = self.stack.enter_context(NatsServer())
        self.log = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="skep-nats-log-")), "log")
        self.log.touch()

    def broker(self, *queues, options=(), count=2, server=None):
        """One more broker, whose workers write into the log that all share."""
        url = (server or self.server).url
        hive = self.stack.enter_context(Workers(*queues, count=count, log=self.log, options=[
            "--jobs", url, "--nats-lease", self.LEASE_S, "--deaths", 65535, "--stable", 0.01, "--failures", 4096,
            *options]))
        hive.wait_ready(count)
        return hive

    def submitter(self, hive):
        return self.stack.enter_context(Submitter(hive.folder))

    def lines(self):
        return [line.removesuffix(" .") for line in self.log.read_text().splitlines() if line.endswith(" .")]

    def check(self, *submitters, dead=()):
        lines = sum((submitter.close_unknown() for submitter in submitters), [])
        self.assertEqual(violations(lines, self.lines(), dead=list(dead)), [])


class Sharing(Case):
    def test_results_come_back(self):
        hive = self.broker("q")
        submitter = self.submitter(hive)
        submitter.submit("q", 500)
        submitter.wait_outcomes()
        self.assertEqual(len(submitter.results), 500)
        self.check(submitter)
        wait_queue(hive, "q", lambda q: q["done"] == 500 and q["ready"] == 0, "all done")
        hive.stop()

    def test_two_brokers_share_a_queue(self):
        first, second = self.broker("q"), self.broker("q")
        submitter = self.submitter(first)
        submitter.submit("q", 2000)
        submitter.wait_outcomes()
        self.assertEqual(len(submitter.results), 2000)
        done = [wait_queue(hive, "q", lambda q: q["reserved"] == 0, "answers")["done"] for hive in (first, second)]
        self.assertEqual(sum(done), 2000)
        self.assertGreater(min(done), 0)
        self.check(submitter)

    def test_another_broker_does_them(self):
        submits, works = self.broker("other"), self.broker("q")
        submitter = self.submitter(submits)
        submitter.submit("q", 100)
        submitter.wait_outcomes()
        self.assertEqual(len(submitter.results), 100)
        self.assertEqual(queue_status(works, "q")["done"], 100)


if __name__ == "__main__":
    unittest.main()
