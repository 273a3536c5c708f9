# SPDX-License-Identifier: MIT
"""What jobs must survive: workers that are killed all the time, stand still, never answer, answer too late, are slow,
and jobs that kill their workers. The numbers are those of the faults that the project has sworn to survive."""
import contextlib
import os
import random
import signal
import subprocess
import tempfile
import time
import unittest

from faults import stopped
from hive import Hive, program, wait_until
from jobs import DEADLINE_JOBS_S, Submitter, Workers, ask, dead_letters, queue_status, wait_queue
from ledger_check import repeats, violations

MANY = "100"  # deaths that no test reaches


class Case(unittest.TestCase):
    def assert_kept(self, hive, submitter, **known):
        """Nothing is lost, unmarked or made up; known: of dead letters, as the checker takes it."""
        submitter.wait_answers()
        self.assertEqual(violations(submitter.close_unknown(), hive.log(), **known)[:10], [])

    def assert_empty(self, hive, queue="q"):
        """Nothing waits or is worked on."""
        status = wait_queue(hive, queue, lambda status: status["reserved"] == status["ready"] == status["delayed"] == 0,
                            "an empty queue")
        self.assertEqual(status["submitted"], status["done"] + status["dead"])
        return status


class Killed(Case):
    """Fault 1. Twenty kills a second, or as many as let the workers do anything in between."""
    JOBS, KILLS, PAUSE_S = 60000, 50, 0.05
    CREDIT = 512

    def kill_one(self, hive):
        """Kills a ready worker; False if there is none."""
        workers = [answer for answer in ask(hive, "status") if answer["cmd"] == "workerStatus"]
        ready = [worker for worker in workers if worker["state"] == "ready"]
        if ready:
            with contextlib.suppress(ProcessLookupError):  # it has ended of itself meanwhile
                os.kill(random.choice(ready)["pid"], signal.SIGKILL)
        return bool(ready)

    def kill_at_random(self, hive):
        """Kills each time another part of the jobs is done; how many there were."""
        kills, again_s = 0, 0
        for part in range(1, self.KILLS + 1):
            goal = part * self.JOBS // (self.KILLS + 1)
            wait_until(lambda: time.monotonic() >= again_s and queue_status(hive, "q")["done"] >= goal,
                       f"{goal} jobs done after {kills} kills", DEADLINE_JOBS_S, hive.describe)
            kills += self.kill_one(hive)
            again_s = time.monotonic() + self.PAUSE_S
        return kills

    def test_kill_9_through_many_jobs(self):
        options = ["--job-credit", self.CREDIT, "--deaths", MANY]
        with Workers("q", count=4, options=options) as hive:
            hive.wait_ready(4)
            with Submitter(hive.folder) as submitter:
                submitter.submit("q", self.JOBS)
                kills = self.kill_at_random(hive)
                submitter.wait_outcomes()
                self.assertGreater(kills, self.KILLS // 2)
                self.assertEqual((len(submitter.results), submitter.deaths), (self.JOBS, {}))
                self.assert_kept(hive, submitter)
                self.assertLessEqual(repeats(hive.log()), kills * self.CREDIT)
                status = self.assert_empty(hive)
                self.assertEqual((status["submitted"], status["done"]), (self.JOBS, self.JOBS))
            hive.wait_ready(4)
            hive.stop()

    def test_submitted_and_killed_at_the_same_time(self):
        """Jobs of several clients go on coming in while workers die."""
        with Workers("q", "r", count=3, options=["--deaths", MANY]) as hive:
            hive.wait_ready(3)
            with Submitter(hive.folder) as one, Submitter(hive.folder) as other:
                for n in range(10):
                    one.submit("q", 500, first=1 + 500 * n)
                    other.submit("r", 500, first=100001 + 500 * n)
                    one.wait(lambda: len(one.results) >= 250 * n, f"{250 * n} results")
                    self.kill_one(hive)
                one.wait_outcomes()
                other.wait_outcomes()
                both = one.close_unknown() + other.close_unknown()
                self.assertEqual(violations(both, hive.log())[:10], [])
                self.assert_empty(hive, "q")
                self.assert_empty(hive, "r")
            hive.stop()


class StandingStill(Case):
    """Fault 4."""
    JOBS = 3000

    def begun_by_all(self, hive, workers):
        wait_until(lambda: len({words[6] for words in hive.starts()}) == workers, "each worker to begin one",
                   DEADLINE_JOBS_S, hive.describe)

    def test_jobs_move_when_their_lease_ends(self):
        with Workers("q", count=3, options=["--lease", "2", "--job-credit", "64"]) as hive:
            hive.wait_ready(3)
            with Submitter(hive.folder) as submitter:
                submitter.submit("q", self.JOBS, "spend 2")
                self.begun_by_all(hive, 3)
                with stopped(random.choice(list(hive.pids().values()))):
                    submitter.wait_outcomes()
                self.assertEqual(len(submitter.results), self.JOBS)
                self.assert_kept(hive, submitter)
                self.assert_empty(hive)
            hive.stop()

    def test_it_is_said(self):
        with Workers("q", count=1, options=["--lease", "1"]) as hive:
            hive.wait_ready(1)
            pid = hive.pids()[1]
            with Submitter(hive.folder) as submitter:
                submitter.submit("q", 1, "keep 900")  # it must not be done before the worker stands still
                self.begun_by_all(hive, 1)
                with stopped(pid):
                    hive.wait_line(r"error: queue q: the lease of job 1 \(1 s\) ended without an answer")
                    self.assertGreaterEqual(hive.status()["workers"][0]["silent_s"], 0)
                    self.assertRegex(hive.skep("status").output("out"),
                                     "(?m)^SILENT: worker 1 has answered nothing since the lease of a job ended")
                submitter.wait_outcomes()
            self.assertNotIn("silent_s", hive.status()["workers"][0])
            hive.stop()

    def test_watchdog(self):
        with Workers("q", count=3, options=["--watchdog", "2", "--job-credit", "64"]) as hive:
            hive.wait_ready(3)
            events = hive.events()
            events.wait_line(r"from number \d+")
            with Submitter(hive.folder) as submitter:
                submitter.submit("q", self.JOBS, "spend 2")
                self.begun_by_all(hive, 3)
                pid = random.choice(list(hive.pids().values()))
                with stopped(pid):
                    left = events.wait_event(lambda event: event["event"] == "exit" and event["worker"]["pid"] == pid,
                                             DEADLINE_JOBS_S)
                self.assertEqual(left["reason"], "watchdog")
                submitter.wait_outcomes()
                self.assertEqual(len(submitter.results), self.JOBS)
                self.assert_kept(hive, submitter)
                self.assert_empty(hive)
            hive.wait_ready(3)
            hive.stop()

    def test_a_long_job_that_extends_its_lease_stays(self):
        with Workers("q", count=2, options=["--lease", "1"]) as hive:
            hive.wait_ready(2)
            with Submitter(hive.folder) as submitter:
                submitter.submit("q", 1, "extend 3000")
                submitter.wait_outcomes()
                self.assertEqual(len(hive.starts(1)), 1)
                self.assertEqual(self.assert_empty(hive)["refused"], 0)
                self.assert_kept(hive, submitter)
            hive.stop()

    def check_held(self, **options):
        with Workers("q", count=2, options=["--lease", "1"], **options) as hive:
            hive.wait_ready(2)
            with Submitter(hive.folder) as submitter:
                submitter.submit("q", 1, "hold 3000")
                submitter.wait_outcomes()
                self.assertEqual(len(hive.starts(1)), 1)
                status = self.assert_empty(hive)
                self.assertEqual((status["refused"], status["redelivered"], status["done"]), (0, 0, 1))
                self.assert_kept(hive, submitter)
            hive.stop()

    def test_a_handler_that_extends_its_lease_while_the_loop_stands_still(self):
        self.check_held()

    def test_the_same_over_nng(self):
        self.check_held(env={"SKEP_TRANSPORT": "nng"})


class NeverAnswered(Case):
    """Fault 5."""
    JOBS = 20

    def test_redelivered_up_to_the_limit_then_dead(self):
        options = ["--lease", "1", "--attempts", "3", "--drain-timeout", "0.5"]
        with Workers("q:200", count=2, options=options) as hive:
            hive.wait_ready(2)
            with Submitter(hive.folder) as submitter:
                submitter.submit("q", self.JOBS, "never")
                submitter.submit("q", 100)
                submitter.wait_outcomes()
                self.assertEqual({death["cause"] for death in submitter.deaths.values()}, {"attempts"})
                self.assertEqual((len(submitter.deaths), len(submitter.results)), (self.JOBS, 100))
                letters = dead_letters(hive, "q")
                self.assertEqual([letter["attempt"] for letter in letters], [3] * self.JOBS)
                for key in range(1, self.JOBS + 1):
                    self.assertEqual([(words[3], words[4]) for words in hive.starts(key)],
                                     [("1", "0"), ("2", "1"), ("3", "1")])
                self.assert_kept(hive, submitter, dead=[letter["id"] for letter in letters])
                self.assert_empty(hive)
            hive.stop()


class TooLate(Case):
    """Fault 6."""

    def test_late_answer_is_refused_and_counted(self):
        """The first attempt is kept for longer than its lease; the second one is done at once."""
        with Workers("q:10", count=2, options=["--lease", "1"]) as hive:
            hive.wait_ready(2)
            with Submitter(hive.folder) as submitter:
                submitter.submit("q", 1, "keep 4000 1")
                submitter.wait_outcomes()
                self.assertEqual([(words[3], words[4]) for words in hive.starts(1)], [("1", "0"), ("2", "1")])
                status = wait_queue(hive, "q", lambda status: status["refused"] > 0, "the late answer")
                self.assertEqual((status["done"], status["refused"], status["redelivered"]), (1, 1, 1))
                self.assertEqual(len([answer for answer in submitter.answers if answer["cmd"] == "finished"]), 1)
                self.assert_kept(hive, submitter)
            hive.stop()

    def test_late_answers_of_a_worker_that_stood_still(self):
        with Workers("q", count=2, options=["--lease", "1", "--attempts", "10"]) as hive:
            hive.wait_ready(2)
            with Submitter(hive.folder) as submitter:
                submitter.submit("q", 1, "spend 4000 1")  # its loop stands still, so its answer comes late
                submitter.wait_outcomes()
                status = wait_queue(hive, "q", lambda status: status["refused"] > 0, "the late answer")
                self.assertEqual(status["done"], 1)
                self.assert_kept(hive, submitter)
            hive.stop()


class Slow(Case):
    """Fault 7, as far as it is about credit."""
    JOBS, CREDIT = 4000, 20

    def test_a_slow_worker_holds_no_more_than_its_credit(self):
        with Workers("--slow", "1:100", "q", count=3, options=["--job-credit", self.CREDIT]) as hive:
            hive.wait_ready(3)
            with Submitter(hive.folder) as submitter:
                submitter.submit("q", self.JOBS)

                def others_have_finished(status):
                    self.assertLessEqual(status["reserved"], 3 * self.CREDIT)
                    return status["done"] >= self.JOBS - self.CREDIT
                wait_queue(hive, "q", others_have_finished, "the others to do the rest")
                by_slow = sum(words[5] == "1" for words in hive.starts())
                self.assertLess(by_slow, self.JOBS // 10)  # with more than its credit it would have to do that as well
                submitter.wait_outcomes()
                self.assert_kept(hive, submitter)
            hive.stop()


class Deadly(Case):
    """Fault 14."""
    GOOD = 600

    def test_a_job_that_kills_its_worker(self):
        with Workers("q", count=3) as hive:
            hive.wait_ready(3)
            with Submitter(hive.folder) as submitter:
                submitter.submit("q", self.GOOD // 2)
                deadly, = submitter.submit("q", 1, f"crash {int(signal.SIGKILL)}")
                submitter.submit("q", self.GOOD // 2)
                submitter.wait_outcomes()
                self.assertEqual({key: death["cause"] for key, death in submitter.deaths.items()}, {deadly: "deaths"})
                self.assertEqual(len(submitter.results), self.GOOD)
                letter, = dead_letters(hive)
                self.check_letter(hive, letter, submitter.accepted[deadly], deadly)
                self.assert_kept(hive, submitter, dead=[letter["id"]])
                self.check_mended(hive, letter, deadly)
                self.assert_kept(hive, submitter, revived=[letter["id"]])
            hive.wait_ready(3)
            hive.stop()

    def check_letter(self, hive, letter, job, key):
        starts = hive.starts(key)
        self.assertEqual([(words[3], words[4]) for words in starts], [("1", "0"), ("2", "1"), ("3", "1")])
        self.assertEqual([letter[name] for name in ("id", "cause", "deaths", "attempt", "signal", "pid", "worker")],
                         [job, "deaths", 3, 3, signal.SIGKILL, int(starts[-1][6]), int(starts[-1][5])])
        self.assertNotIn("code", letter)
        self.assertIn("uptime_ms", letter)

    def check_mended(self, hive, letter, key):
        """Somebody has mended the program: the job is put back and done, its count of deaths begun anew."""
        hive.mended_path.touch()
        self.assertEqual(ask(hive, "reviveDead", id=letter["id"]), [{"cmd": "changed", "n": 1}])
        wait_until(lambda: any(line.startswith(f"done {key} ") for line in hive.log()), "the job to be done",
                   DEADLINE_JOBS_S, hive.describe)
        self.assertEqual(self.assert_empty(hive)["dead"], 0)

    def test_the_exit_record_of_a_worker_that_was_ended_by_another_signal(self):
        with Workers("q", count=2, options=["--deaths", "1"]) as hive:
            hive.wait_ready(2)
            with Submitter(hive.folder) as submitter:
                deadly, = submitter.submit("q", 1, f"crash {int(signal.SIGTERM)}")
                submitter.wait_outcomes()
                letter, = dead_letters(hive)
                self.assertEqual((letter["signal"], letter["deaths"]), (signal.SIGTERM, 1))
                self.assertEqual(len(hive.starts(deadly)), 1)
            hive.stop()


class Stopped(Case):
    """Fault 17: a job that was begun is done, and its submitter is told."""

    def test_jobs_that_were_begun_are_done(self):
        with Workers("q", count=2, options=["--drain-timeout", "60"]) as hive:
            hive.wait_ready(2)
            with Submitter(hive.folder) as submitter:
                held = submitter.submit("q", 2, "keep 1000")
                for key in held:
                    hive.wait_starts(key)
                submitter.submit("q", 100, outcomes=False)
                submitter.wait_answers()
                os.kill(hive.pid, signal.SIGTERM)
                submitter.wait_outcomes()
            self.assertEqual(hive.wait_exit(DEADLINE_JOBS_S), 0, hive.describe())
            self.assertEqual(sorted(submitter.results), sorted(held))
            self.assertEqual(hive.count(r"exited with status 0 \(voluntary\)"), 2, hive.describe())
            begun = {words[1] for words in hive.starts()}
            self.assertEqual({line.split()[1] for line in hive.log() if line.startswith("done ")}, begun)


class KilledClients(unittest.TestCase):
    """Clients that are killed while their jobs arrive and results return to them. The broker does not mind."""
    LINES, KILLS, MAX_PAUSE_S = 60000, 80, 0.15

    def kill_one(self, hive, lines):
        command = [program("skep"), "submit", "--dir", hive.folder, "--wait", "--lines", lines, "sha256"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as client:
            time.sleep(random.uniform(0.01, self.MAX_PAUSE_S))
            client.kill()

    def test_kill_9_of_clients_while_results_return(self):
        with Hive("jobs") as hive, tempfile.NamedTemporaryFile("w", prefix="skep-lines-") as lines:
            lines.writelines(f"{number} {'x' * 60}\n" for number in range(self.LINES))
            lines.flush()
            hive.wait_ready(2)
            for _ in range(self.KILLS):
                self.kill_one(hive, lines.name)
            self.assertIsNone(hive.popen.poll(), hive.describe())
            hive.stop()


if __name__ == "__main__":
    unittest.main()
