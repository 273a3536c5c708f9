#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Single jobs by their ids: skep job, skep cancel, and outcomes that are waited for across brokers."""
import contextlib
import json
import os
import shutil
import signal
import tempfile
import unittest
from pathlib import Path

from fake_broker import FakeBroker
from hive import Process, program, wait_until
from jobs import Workers

LOST = r"skep: {}: the broker has ended; waiting 60 s for another one in its place"


class Case(unittest.TestCase):
    def setUp(self):
        self.place = Path(tempfile.mkdtemp(prefix="skep-job-", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)
        self.folder, self.jobs, self.log = str(self.place / "hive"), self.place / "jobs", self.place / "log"
        self.log.touch()

    def durable(self, *queues, options=(), jobs=None):
        """Brokers of one place, one after the other."""
        return Workers(*queues, options=["--jobs", jobs or self.jobs, *options], folder=self.folder, log=self.log)

    def in_memory(self, *queues, **others):
        return Workers(*queues, folder=self.folder, log=self.log, **others)

    def skep(self, hive, *arguments, code=0, err=""):
        done = hive.skep(*arguments)
        self.assertEqual(done.code, code, done.describe())
        self.assertRegex(done.output("err"), rf"\A{err}\Z", done.describe())
        return done.output("out")

    def submit(self, hive, queue, data, *options):
        """The id."""
        done = hive.skep("submit", queue, data, *options)
        self.assertEqual(done.code, 0, done.describe())
        return int(done.output("out"))

    def job(self, hive, number):
        return json.loads(self.skep(hive, "job", number, "--json"))

    def wait_state(self, hive, number, state):
        def look():
            found = self.job(hive, number)
            return found if found["state"] == state else None
        return wait_until(look, f"job {number} {state}", context=hive.describe)

    def unknown(self, hive, number, *options):
        self.skep(hive, "job", number, *options, code=68, err=rf"skep: job: job {number} is not known \(any more\)")

    @contextlib.contextmanager
    def waiting(self, *arguments):
        """A command in the background, on whichever broker is there."""
        process = Process([program("skep"), *map(str, arguments), "--dir", self.folder])
        try:
            yield process
        finally:
            process.end()

    def end(self, process, code, out, err=""):
        self.assertEqual(process.wait_exit(), code, process.describe())
        self.assertEqual(process.output("out"), out, process.describe())
        self.assertRegex(process.output("err"), rf"\A{err}\Z", process.describe())

    def kill(self, hive):
        hive.kill9(hive.pid)
        hive.wait_exit()


class States(Case):
    def test_each(self):
        with self.durable("q") as hive:
            hive.wait_ready(2)
            ready = self.submit(hive, "idle", "data", "--priority", "5", "--key", "key")
            delayed = self.submit(hive, "q", "1 done", "--delay", "3600")
            reserved = self.submit(hive, "q", "2 never")
            dead = self.submit(hive, "q", "3 fail no")
            done = self.submit(hive, "q", "4 done result")
            found = self.job(hive, ready)
            self.assertEqual((found["queue"], found["state"], found["priority"], found["key"], found["data"]),
                             ("idle", "ready", 5, "key", "data"))
            self.assertGreater(self.job(hive, delayed)["due_s"], 3000)
            found = self.wait_state(hive, reserved, "reserved")
            self.assertEqual((found["attempt"], found["size"]), (1, 7))
            self.assertIn(found["worker"], (1, 2))
            self.assertLess(found["begun_s"], found["age_s"] + 0.001)
            found = self.wait_state(hive, dead, "dead")
            self.assertEqual((found["cause"], found["reason"]), ("refused", "no"))
            found = self.wait_state(hive, done, "done")
            self.assertEqual((found["result"], found["attempt"]), ("result", 1))
            self.assertRegex(found["ended"], r"\A\d{4}-\d\d-\d\dT")
            self.unknown(hive, 99)
            hive.stop(signal.SIGQUIT)

    def test_lines_for_people(self):
        with self.durable("q") as hive:
            hive.wait_ready(2)
            long = "x" * 100
            number = self.submit(hive, "idle", long)
            text = self.skep(hive, "job", number)
            self.assertRegex(text, r"(?m)^id +1$")
            self.assertRegex(text, r"(?m)^state +ready$")
            self.assertRegex(text, rf"(?m)^data +{'x' * 60}\.\.\.$")

    def test_bad_ids(self):
        with self.durable("q") as hive:
            hive.wait_ready(2)
            for command in ("job", "cancel"):
                for number in ("x", "0", "1.5", "18446744073709551616"):
                    self.skep(hive, command, number, code=64, err=rf"skep: {command}: {number}: not a job id")
                self.skep(hive, command, code=64, err=rf"skep: {command}: ID(\.\.\.)? is missing; see skep help {command}")
            self.unknown(hive, 2**64 - 1)

    def test_results_are_forgotten(self):
        with self.durable("q", options=["--results", "1"]) as hive:
            hive.wait_ready(2)
            number = self.submit(hive, "q", "1 done result")
            self.wait_state(hive, number, "done")
            wait_until(lambda: hive.skep("job", number).code == 68, "it is forgotten", context=hive.describe)

    def test_in_memory_what_has_ended_is_not_known(self):
        with self.in_memory("q") as hive:
            hive.wait_ready(2)
            waits = self.submit(hive, "idle", "a")
            self.skep(hive, "submit", "q", "1 done result", "--wait")
            self.assertEqual(self.job(hive, waits)["state"], "ready")
            self.unknown(hive, waits + 1)
            self.unknown(hive, waits + 1, "--wait")


class Cancel(Case):
    def cancelled(self, hive, number, was):
        self.assertEqual(json.loads(self.skep(hive, "cancel", number, "--json"))["cancelled"],
                         [{"id": number, "queue": self.queue, "was": was}])

    def each(self, hive):
        hive.wait_ready(2)
        self.queue = "idle"
        self.cancelled(hive, self.submit(hive, "idle", "a"), "ready")
        self.cancelled(hive, self.submit(hive, "idle", "a", "--delay", "3600"), "delayed")
        self.queue = "q"
        dead = self.submit(hive, "q", "1 fail no")
        self.wait_state(hive, dead, "dead")
        self.cancelled(hive, dead, "dead")
        self.assertEqual(json.loads(self.skep(hive, "dead", "list", "--json")), {"dead": []})

    def test_each_state_on_a_disk(self):
        with self.durable("q") as hive:
            self.each(hive)

    def test_each_state_in_memory(self):
        with self.in_memory("q") as hive:
            self.each(hive)

    def test_one_that_runs(self):
        with self.durable("q") as hive:
            hive.wait_ready(2)
            number = self.submit(hive, "q", "1 keep 1500")
            hive.wait_starts(1)
            self.skep(hive, "cancel", number, code=75, err=rf"skep: cancel: worker [12] works on job {number}")
            self.wait_state(hive, number, "done")
            self.skep(hive, "cancel", number, code=70, err=rf"skep: cancel: job {number} has ended: done")

    def test_one_that_was_sent_ahead(self):
        with self.durable("q", options=["--workers", "1"]) as hive:
            hive.wait_ready(1)
            self.submit(hive, "q", "1 spend 1500")
            hive.wait_starts(1)
            ahead = self.submit(hive, "q", "2 done")
            self.skep(hive, "cancel", ahead)
            last = self.submit(hive, "q", "3 done")
            self.wait_state(hive, last, "done")
            self.assertEqual(hive.starts(2), [])

    def test_who_waits_is_told(self):
        with self.durable("q") as hive:
            hive.wait_ready(2)
            with self.waiting("submit", "--wait", "idle", "a") as submitter:
                wait_until(lambda: hive.skep("job", "1").code == 0, "it is there")
                with self.waiting("job", "--wait", "1") as other:
                    hint = r"(skep: submit: no worker handles queue idle yet\n)?"
                    wait_until(lambda: len(list(Path(self.folder).glob("returns.*"))) >= 2, "both have joined")
                    self.skep(hive, "cancel", "1")
                    self.end(submitter, 65, "", hint + "skep: submit: job 1 was cancelled")
                    self.end(other, 65, "", "skep: job: job 1 was cancelled")

    def test_several(self):
        with self.durable("q") as hive:
            hive.wait_ready(2)
            first, second = self.submit(hive, "idle", "a"), self.submit(hive, "idle", "b")
            out = self.skep(hive, "cancel", first, 99, second, code=68,
                            err=r"skep: cancel: job 99 is not known \(any more\)")
            self.assertEqual(out, f"job {first} of idle: cancelled\njob {second} of idle: cancelled")
            self.skep(hive, "cancel", first, code=70, err=rf"skep: cancel: job {first} has ended: cancelled")
            self.assertEqual(self.job(hive, first)["state"], "cancelled")

    def test_it_outlasts_the_broker(self):
        with self.durable("other") as hive:
            hive.wait_ready(2)
            first, second = self.submit(hive, "q", "1 done"), self.submit(hive, "q", "2 done")
            self.skep(hive, "cancel", first)
            self.kill(hive)
        with self.durable("q") as hive:
            hive.wait_ready(2)
            self.wait_state(hive, second, "done")
            self.assertEqual(self.job(hive, first)["state"], "cancelled")
            self.assertEqual(hive.starts(1), [])


class Across(Case):
    """A broker is killed, and another one comes in its place."""

    def test_a_result_that_comes_after(self):
        with self.durable("other") as hive:
            hive.wait_ready(2)
            with self.waiting("submit", "--wait", "q", "1 done result") as submitter:
                wait_until(lambda: hive.skep("job", "1").code == 0, "it is accepted")
                self.kill(hive)
                submitter.wait_line("waiting 60 s", stream="err")
                with self.durable("q") as after:
                    after.wait_ready(2)
                    self.end(submitter, 0, "result", "(skep: submit: no worker .*\n)?" + LOST.format("submit"))

    def test_a_result_that_was_there_before(self):
        """The broker ends before the client, which stands still, has read the outcome."""
        with self.durable("q") as hive:
            hive.wait_ready(2)
            with self.waiting("submit", "--wait", "q", "1 keep 500") as submitter:
                hive.wait_starts(1)
                os.kill(submitter.pid, signal.SIGSTOP)
                self.wait_state(hive, 1, "done")
                self.kill(hive)
                with self.durable("other") as after:
                    after.wait_ready(2)
                    os.kill(submitter.pid, signal.SIGCONT)
                    self.assertEqual(submitter.wait_exit(), 0, submitter.describe())

    def test_many(self):
        lines = self.place / "lines"
        count = 2000
        lines.write_text("".join(f"{key} done r{key}\n" for key in range(1, count + 1)))
        with self.durable("other") as hive:
            hive.wait_ready(2)
            with self.waiting("submit", "--wait", "--lines", lines, "q") as submitter:
                wait_until(lambda: hive.skep("job", count).code == 0, "all are accepted")
                self.kill(hive)
                with self.durable("q:100") as after:
                    after.wait_ready(2)
                    self.assertEqual(submitter.wait_exit(), 0, submitter.describe())
                    results = sorted(submitter.output("out").split())
                    self.assertEqual(results, sorted(f"r{key}" for key in range(1, count + 1)))

    def test_a_client_that_was_killed(self):
        with self.durable("other") as hive:
            hive.wait_ready(2)
            with self.waiting("submit", "--wait", "q", "1 done result") as submitter:
                wait_until(lambda: hive.skep("job", "1").code == 0, "it is accepted")
                os.kill(submitter.pid, signal.SIGKILL)
            self.kill(hive)
        with self.durable("q") as hive:
            hive.wait_ready(2)
            self.assertEqual(self.skep(hive, "job", "1", "--wait"), "result")
            self.assertEqual(json.loads(self.skep(hive, "job", "1", "--wait", "--json")),
                             {"id": 1, "status": "done", "result": "result"})

    def test_who_waits_by_the_id(self):
        with self.durable("other") as hive:
            hive.wait_ready(2)
            number = self.submit(hive, "q", "1 done result")
            with self.waiting("job", "--wait", number) as waiting:
                wait_until(lambda: list(Path(self.folder).glob("returns.*")), "it has joined")
                self.kill(hive)
                with self.durable("q") as after:
                    after.wait_ready(2)
                    self.end(waiting, 0, "result", "(" + LOST.format("job") + ")?")

    def test_other_jobs_of_the_same_ids(self):
        with self.durable("other") as hive:
            hive.wait_ready(2)
            with self.waiting("submit", "--wait", "q", "1 done mine") as submitter:
                wait_until(lambda: hive.skep("job", "1").code == 0, "it is accepted")
                self.kill(hive)
                with self.durable("q", jobs=self.place / "others") as after:
                    after.wait_ready(2)
                    self.assertEqual(submitter.wait_exit(), 69, submitter.describe())
                    self.assertIn("the outcome of job 1 is unknown", submitter.output("err"))

    def test_jobs_in_memory_are_lost(self):
        with self.in_memory("other") as hive:
            hive.wait_ready(2)
            with self.waiting("submit", "--wait", "q", "1 done") as submitter:
                wait_until(lambda: hive.skep("job", "1").code == 0, "it is accepted")
                self.kill(hive)
                self.assertEqual(submitter.wait_exit(), 69, submitter.describe())
                self.assertIn("the outcome of job 1 is unknown", submitter.output("err"))

    def test_submissions_without_an_answer(self):
        """They are sent again if they have a key: the broker may have stored them."""
        for key, code, out in (((), 69, ""), (("--key", "k"), 0, "result")):
            with self.subTest(key=key), FakeBroker() as broker:
                broker.submitted = lambda command: []
                process = broker.start("submit", "--wait", "q", "1 done result", *key)
                self.addCleanup(process.end)
                wait_until(lambda: broker.jobs(), "a job")  # noqa: B023
                broker.vanish()
                with Workers("q", options=["--jobs", self.jobs], folder=broker.folder, log=self.log) as hive:
                    hive.wait_ready(2)
                    self.assertEqual(process.wait_exit(), code, process.describe())
                    self.assertEqual(process.output("out"), out)
                    wanted = "waiting 60 s for another one" if key else "it is unknown whether the job was accepted"
                    self.assertIn(wanted, process.output("err"))


if __name__ == "__main__":
    unittest.main()
