#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Durable jobs: what was accepted outlasts brokers and workers that are killed; what may run twice says so."""
import contextlib
import random
import shutil
import sqlite3
import tempfile
import threading
import unittest
from pathlib import Path

from hive import wait_until
from jobs import Submitter, Workers, dead_letters, peek, queue_status, wait_queue
from ledger_check import violations

DEADLINE_S = 120


class Case(unittest.TestCase):
    def setUp(self):
        self.place = Path(tempfile.mkdtemp(prefix="skep-durable-", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)
        self.folder, self.jobs, self.log = str(self.place / "hive"), self.place / "jobs", self.place / "log"
        self.log.touch()

    def workers(self, *queues, options=()):
        """Brokers of one place, one after the other, whose workers write into one log."""
        return Workers(*queues, options=["--jobs", self.jobs, *options], folder=self.folder, log=self.log)


class Outlasting(Case):
    def test_jobs_are_there_again(self):
        with self.workers("other") as hive:
            hive.wait_ready(2)
            with Submitter(hive.folder) as submitter:
                submitter.submit("q", 5, outcomes=False)
                submitter.submit("q", 1, outcomes=False, priority=1)
                submitter.submit("q", 1, outcomes=False, delay_ms=3600000)
                submitter.wait_answers()
            hive.kill9(hive.pid)
            hive.wait_exit()
        with self.workers("other") as hive:
            hive.wait_ready(2)
            status = queue_status(hive, "q")
            self.assertEqual((status["ready"], status["delayed"], status["durable"]), (6, 1, True))
            self.assertEqual([job["id"] for job in peek(hive, "q")], [6, 1, 2, 3, 4, 5, 7])
            hive.stop()

    def test_two_brokers_of_one_directory(self):
        with self.workers("other") as hive:
            hive.wait_ready(2)
            with Workers("other", options=["--jobs", self.jobs]) as second:
                self.assertEqual(second.wait_exit(), 75)
                self.assertRegex(second.output("err"), r"skep: jobs: .*/jobs.db: another process has it open")
            hive.stop()

    def test_files_that_are_refused(self):
        self.jobs.mkdir(mode=0o700)
        file = self.jobs / "jobs.db"
        for text, status, why in ((b"x" * 5000, 73, "file is not a database"), (None, 76, "its format is 99")):
            if text is None:
                file.unlink()
                self.make_newer(file)
            else:
                file.write_bytes(text)
            with self.workers("other") as hive:
                self.assertEqual(hive.wait_exit(), status, hive.describe())
                self.assertRegex(hive.output("err"), rf"skep: jobs: {file}: {why}")

    def make_newer(self, file):
        with self.workers("other") as hive:
            hive.wait_ready(2)
            hive.stop()
        with contextlib.closing(sqlite3.connect(file)) as database:
            database.execute("PRAGMA user_version = 99")

    def test_a_directory_that_others_may_read(self):
        self.jobs.mkdir(mode=0o755)
        with self.workers("other") as hive:
            self.assertEqual(hive.wait_exit(), 73)
            self.assertRegex(hive.output("err"), r"it is not private \(mode 755, 700 is needed\)")


class Killed(Case):
    """Workers are killed all the time, and brokers, too."""
    JOBS, BROKERS = 30000, 5

    def kill_workers(self, hive, stop):
        while not stop.wait(0.1):
            status = hive.try_status()
            ready = [worker["pid"] for worker in status["workers"] if worker["state"] == "ready"] if status else []
            if ready:
                hive.kill9(random.choice(ready))

    def live(self, submitted, is_last):
        """One broker. Its submitter submits what no broker has accepted yet, with a key for each job."""
        options = ["--deaths", 65535, "--attempts", 65535, "--stable", 0.01, "--failures", 4096, "--dedup", 3600]
        stop = threading.Event()
        with self.workers("q:100", options=options) as hive:
            hive.wait_ready(2)
            killer = threading.Thread(target=self.kill_workers, args=(hive, stop), daemon=True)
            killer.start()
            try:
                self.submit(hive, submitted, is_last)
            finally:
                stop.set()
                killer.join()
            if is_last:
                wait_queue(hive, "q", lambda q: q["ready"] + q["reserved"] + q["delayed"] == 0, "all done", DEADLINE_S)
                dead = [job["id"] for job in dead_letters(hive, "q")]
                hive.stop()
                return dead
            hive.kill9(hive.pid)
            hive.wait_exit()
            return []

    def submit(self, hive, submitted, is_last):
        left = [key for key in range(1, self.JOBS + 1) if str(key) not in submitted]
        some = left if is_last else left[:len(left) // 2 + 1]
        with Submitter(hive.folder) as submitter:
            for key in some:
                submitter.submit("q", 1, "done", first=key, outcomes=False, keys=[f"k{key}".encode()])
            wait_until(lambda: len(submitter.accepted) >= (len(some) if is_last else len(some) // 2), "acceptance",
                       DEADLINE_S)
            submitted.update(submitter.accepted)

    def test_every_accepted_job_is_done(self):
        submitted = {}
        for number in range(1, self.BROKERS + 1):
            dead = self.live(submitted, number == self.BROKERS)
        lines = [f"invoke {key}" for key in range(1, self.JOBS + 1)]
        lines += [f"ok {key} {job}" for key, job in submitted.items()]
        log = [line.removesuffix(" .") for line in self.log.read_text().splitlines() if line.endswith(" .")]
        self.assertEqual(violations(lines, log, dead=dead), [])
        done = {line.split()[1] for line in log if line.startswith("done ")}
        self.assertEqual(len(done), self.JOBS)


if __name__ == "__main__":
    unittest.main()
