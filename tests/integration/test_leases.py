#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Leases measure work and not waiting; what waits behind another job goes to an idle worker; jobs come in their order."""
import contextlib
import json
import os
import random
import signal
import unittest

from hive import wait_until
from jobs import Submitter, dead_letters, queue_status, wait_queue, workers

KEY, ATTEMPT, PID = 1, 3, 6  # words of a start line


@contextlib.contextmanager
def ready(*queues, count=1, options=()):
    """Workers that are ready, and a submitter."""
    with workers(*queues, count=count, options=options) as hive:
        hive.wait_ready(count)
        with Submitter(hive.folder) as submitter:
            yield hive, submitter


class Case(unittest.TestCase):
    def skep(self, hive, *arguments, code=0):
        done = hive.skep(*arguments)
        self.assertEqual(done.code, code, done.describe())
        return done.output("out" if code == 0 else "err")

    def queue(self, hive, name):
        queues = json.loads(self.skep(hive, "queues", "--json"))["queues"]
        return next(queue for queue in queues if queue["name"] == name)

    def begun(self, hive):
        return [int(words[1]) for words in hive.starts()]


class Leases(Case):
    def test_jobs_that_fit_their_lease_run_once(self):
        """Together the jobs of one worker take longer than a lease."""
        with ready("q", count=2, options=("--lease", "1")) as (hive, submitter):
            submitter.submit("q", 12, "spend 300")
            submitter.wait_outcomes()
            self.assertEqual(sorted(self.begun(hive)), list(range(1, 13)))
            status = queue_status(hive, "q")
            self.assertEqual((status["redelivered"], status["refused"], status["dead"]), (0, 0, 0))

    def test_what_was_never_begun_is_no_dead_letter(self):
        """Behind a job that extends its lease, beyond as many leases as there are attempts."""
        with ready("q", options=("--lease", "1", "--attempts", "2")) as (hive, submitter):
            submitter.submit("q", 1, "extend 3500")
            submitter.submit("q", 3, "done")
            submitter.wait_outcomes()
            self.assertEqual(dead_letters(hive, "q"), [])
            self.assertEqual(self.begun(hive), [1, 2, 3, 4])

    def test_a_job_has_its_own_lease(self):
        with ready("q", options=("--attempts", "1")) as (hive, _):
            self.skep(hive, "submit", "q", "1 never", "--lease", "0.2")
            dead = wait_until(lambda: dead_letters(hive, "q"), "a dead letter", context=hive.describe)
            self.assertEqual((dead[0]["cause"], dead[0]["reason"]), ("attempts", "its lease ended"))

    def test_what_waits_behind_a_job_that_hangs_goes_to_another(self):
        """The worker is stopped: no message reaches it, and when it goes on it does not begin what it finds."""
        with ready("q", count=2) as (hive, submitter):
            submitter.submit("q", 1, "spend 300")
            pid = int(hive.wait_starts(1)[0][PID])
            os.kill(pid, signal.SIGSTOP)
            submitter.submit("q", 40, "done")
            submitter.wait(lambda: len(submitter.results) == 40, "the others")
            os.kill(pid, signal.SIGCONT)
            submitter.wait_outcomes()
            self.assertEqual(sorted(self.begun(hive)), list(range(1, 42)))
            self.assertEqual(queue_status(hive, "q")["redelivered"], 0)

    def test_one_long_job_holds_no_other_up(self):
        """Jobs were sent ahead to a worker whose handler then does not return."""
        with ready("q", count=2) as (hive, submitter):
            submitter.submit("q", 2000, "done")  # windows grow
            submitter.wait_outcomes()
            submitter.submit("q", 1, "spend 3000")
            submitter.submit("q", 200, "done")
            submitter.wait(lambda: len(submitter.results) == 2200, "all but the long one")
            self.assertEqual(queue_status(hive, "q")["reserved"], 1)  # which is still at work
            submitter.wait_outcomes()
            self.assertEqual(sorted(self.begun(hive)), list(range(1, 2202)))


class Killed(Case):
    JOBS, KILLS = 400, 20

    def kill_some(self, hive, submitter):
        """Kills workers that have begun a job just now; their pids."""
        killed = set()
        for _ in range(self.KILLS):
            words = random.choice(hive.starts()[-4:] or [None])
            if words is not None and int(words[PID]) in hive.pids().values():
                os.kill(int(words[PID]), signal.SIGKILL)
                killed.add(words[PID])
            before = len(hive.starts())
            wait_until(lambda: len(hive.starts()) > before or len(submitter.results) == self.JOBS,
                       "another job", context=hive.describe)
        return killed

    def test_only_what_was_begun_counts(self):
        """A job runs again only if the worker that began it was killed, and each time counts once."""
        options = ("--lease", "2", "--deaths", "1000")
        with ready("q", count=4, options=options) as (hive, submitter):
            for key in range(1, self.JOBS + 1):
                submitter.submit("q", 1, f"spend {key % 50}", first=key)
            killed = self.kill_some(hive, submitter)
            submitter.wait_outcomes()
            runs = {}
            for words in hive.starts():
                runs.setdefault(words[KEY], []).append(words)
            self.assertEqual(len(runs), self.JOBS)
            attempts = [[int(words[ATTEMPT]) for words in run] for run in runs.values()]
            self.assertEqual([tries for tries in attempts if tries != sorted(set(tries))], [])
            self.assertLessEqual({words[PID] for run in runs.values() for words in run[:-1]}, killed)
            # A job counts as begun a moment before its handler writes that down.
            unwritten = sum(tries[-1] - len(tries) for tries in attempts)
            self.assertLessEqual(unwritten, len(killed))
            status = queue_status(hive, "q")
            self.assertEqual((status["done"], status["dead"], status["refused"]), (self.JOBS, 0, 0))


class Order(Case):
    def test_delays_and_priorities(self):
        """What becomes ready together comes by priority, then in the order of submission."""
        with ready("q", options=("--job-credit", "1")) as (hive, submitter):
            hive.skep("pause", "--queue", "q")
            submitter.submit("q", 5, delay_ms=500, priority=148)
            submitter.submit("q", 5, delay_ms=500, priority=138)
            submitter.submit("q", 200, delay_ms=500)
            wait_queue(hive, "q", lambda queue: queue["ready"] == 210, "all to be ready")
            hive.skep("resume", "--queue", "q")
            submitter.wait_outcomes()
            self.assertEqual(self.begun(hive), [*range(11, 211), 6, 7, 8, 9, 10, 1, 2, 3, 4, 5])


class Settings(Case):
    def test_settings_of_a_queue(self):
        options = ("--queue", "q:lease=300ms,attempts=2,concurrency=3,credit=7,backoff=50ms..80ms,interruptions=9",
                   "--queue", "other:lease=1h")
        with ready("q", "other", options=options) as (hive, _):
            queue = self.queue(hive, "q")
            self.assertEqual({key: queue[key] for key in ("lease_s", "attempts", "concurrency", "credit", "backoff_s",
                                                          "backoff_max_s", "interruptions")},
                             {"lease_s": 0.3, "attempts": 2, "concurrency": 3, "credit": 7, "backoff_s": 0.05,
                              "backoff_max_s": 0.08, "interruptions": 9})
            other = self.queue(hive, "other")
            self.assertEqual((other["lease_s"], other["attempts"], other["concurrency"]), (3600, 5, None))
            self.skep(hive, "submit", "q", "1 spend 600")
            wait_queue(hive, "q", lambda status: status["dead"] == 1, "a dead letter after two leases")
            self.assertEqual([words[ATTEMPT] for words in hive.starts(1)], ["1", "2"])

    def test_concurrency_is_of_all_workers(self):
        with ready("q:10", count=3, options=("--queue", "q:concurrency=2")) as (hive, submitter):
            submitter.submit("q", 12, "keep 50")
            wait_queue(hive, "q", lambda status: status["reserved"] == 2, "two at work")
            submitter.wait(lambda: len(submitter.results) >= 4 and self.reserved(hive) <= 2, "some are done")
            submitter.wait_outcomes()

    def reserved(self, hive):
        return queue_status(hive, "q")["reserved"]

    def test_bad_settings(self):
        for text, why in (("q", "expected NAME:KEY=VALUE"), (":lease=1s", "the name is empty"),
                          ("q:lease=1ms", "lease: expected a time"), ("q:speed=1", "expected lease, attempts"),
                          ("q:attempts=0", "attempts: expected a number from 1 to 65535"), ("q:backoff=5s..1s", "backoff: expected"),
                          ("q:backoff=0s..1s", "backoff: expected"),
                          ("q:lease", "expected NAME:KEY=VALUE"),
                          ("q:lease=1s,lease=2s", "lease is set twice"),
                          ("q:backoff=1s,attempts=2,backoff=1s", "backoff is set twice")):
            with self.subTest(text), workers("q", options=("--queue", text)) as hive:
                self.assertEqual(hive.wait_exit(), 64)
                self.assertIn(why, hive.output("err"))


class Interruptions(Case):
    def test_a_job_that_no_worker_has_time_for(self):
        """Each reload interrupts it: that is said, counted, and ends if a limit is set."""
        options = ("--drain-timeout", "0.1", "--queue", "q:interruptions=5")
        with ready("q", options=options) as (hive, _):
            self.skep(hive, "submit", "q", "1 spend 60000")
            for times in range(1, 6):
                hive.wait_starts(1, times)
                self.skep(hive, "reload")
            dead = wait_until(lambda: dead_letters(hive, "q"), "a dead letter", context=hive.describe)
            self.assertEqual((dead[0]["cause"], dead[0]["interruptions"], dead[0]["deaths"]), ("interrupted", 5, 0))
            hive.wait_line("job 1 of q was interrupted 4 times")
            self.assertEqual(self.queue(hive, "q")["interrupted"], 5)


if __name__ == "__main__":
    unittest.main()
