# SPDX-License-Identifier: MIT
"""A client and a worker in another language, from docs/protocol.md alone: jobs are submitted, done, retried, given up,
looked at, put back; numbers, keys, priorities and times mean what that page says."""
import os
import signal
import time
import unittest

from hive import Hive, Process, wait_until
from jobs import (CLIENTS, DEADLINE_JOBS_S, EFULL, ENOJOB, ENOQUEUE, ask, dead_letters, peek, queue_status, submit,
                  wait_queue)
from wire import pack  # jobs.py has made it findable

PYTHON = "/usr/bin/python3"
ENOWORKER, ETIMEDOUT, ENOHANDLER, EQUEUES = 18, 7, 19, 34
MAX_QUEUES = 1024
NOBODY = "nobody-handles-this"


def foreign(queue="sums", workers=2, **options):
    return Hive(PYTHON, "-B", CLIENTS / "job_worker.py", queue, workers=workers, **options)


class Heard:
    """A client and all that it has heard."""

    def __init__(self, hive):
        hive.wait_status(lambda status: True, "the broker")
        self.client = submit.Client(hive.folder, DEADLINE_JOBS_S)
        self.commands = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.intake.close()
        self.client.returns.close()

    def submit(self, queue, *jobs, **options):
        return self.client.submit(queue, *[job.encode() for job in jobs], **options)

    def until(self, predicate):
        """The first command, heard or still to be heard, for which predicate is true."""
        seen = 0
        while True:
            for command in self.commands[seen:]:
                if predicate(command):
                    return command
            seen = len(self.commands)
            self.commands += self.client.hear()

    def answer(self, cmd, number):
        """The command of this name that is about a job's number."""
        def about(command):
            count = len(command["results"]) if "results" in command else command.get("n", 1)
            return command["cmd"] == cmd and command["number"] <= number < command["number"] + count
        return self.until(about)

    def result(self, number):
        command = self.answer("finished", number)
        return command["results"][number - command["number"]].decode()

    def id(self, number):
        command = self.answer("accepted", number)
        return command["id"] + number - command["number"]

    def declined(self):
        """The status of each job that was declined."""
        return [c["status"] for c in self.commands if c["cmd"] == "declined" for _ in range(c.get("n", 1))]

    def count(self, cmd):
        return sum(command["cmd"] == cmd for command in self.commands)


class Case(unittest.TestCase):
    def submit_program(self, hive, queue, payload):
        process = Process([PYTHON, "-B", str(CLIENTS / "submit.py"), hive.folder, queue, payload])
        try:
            process.code = process.wait_exit(DEADLINE_JOBS_S)
        finally:
            process.end()
        return process


class PageOfCode(Case):
    """tests/clients/submit.py as it is."""

    def test_prints_the_result(self):
        with foreign() as hive:
            hive.wait_ready(2)
            done = self.submit_program(hive, "sums", "sum 2 3")
            self.assertEqual((done.code, done.output("out")), (0, "5"), done.describe())
            hive.stop()

    def test_says_why_there_is_none(self):
        with foreign() as hive:
            hive.wait_ready(2)
            done = self.submit_program(hive, "sums", "juggle 2 3")
            self.assertEqual(done.code, 65, done.describe())
            self.assertEqual(done.output("err"), "dead letter: refused: no such thing to do: juggle")
            hive.stop()


class Jobs(Case):
    def test_many_jobs(self):
        with foreign() as hive, Heard(hive) as heard:
            hive.wait_ready(2)
            for first in range(1, 5001, 1000):
                heard.submit("sums", *[f"sum 1 {number}" for number in range(first, first + 1000)], outcomes=True)
            for number in range(1, 5001):
                self.assertEqual(heard.result(number), str(number + 1))
            ids = [heard.id(number) for number in (1, 2, 5000)]
            self.assertEqual(ids, [1, 2, 5000])
            status = wait_queue(hive, "sums", lambda queue: queue["done"] == 5000, "all done")
            self.assertEqual([status[name] for name in ("submitted", "ready", "reserved", "delayed", "dead", "refused",
                                                        "unclaimed", "workers", "oldest_ms")],
                             [5000, 0, 0, 0, 0, 0, 0, 2, 0])
            hive.stop()

    def test_every_worker_gets_some(self):
        with foreign() as hive, Heard(hive) as heard:
            hive.wait_ready(2)
            seen = set()
            for number in range(1, 1001):  # one after the other: nobody can take all of them
                heard.submit("sums", "id", outcomes=True)
                seen.add(heard.result(number))
                if seen == {"1", "2"}:
                    break
            self.assertEqual(seen, {"1", "2"})
            hive.stop()

    def test_retried(self):
        with foreign() as hive, Heard(hive) as heard:
            hive.wait_ready(2)
            heard.submit("sums", "again", "late 50", outcomes=True)
            self.assertEqual(heard.result(1), "attempt 2, redelivered")
            self.assertEqual(heard.result(2), "attempt 2, redelivered")
            self.assertEqual(queue_status(hive, "sums")["redelivered"], 2)
            hive.stop()

    def test_retried_too_often(self):
        with foreign() as hive, Heard(hive) as heard:
            hive.wait_ready(2)
            heard.submit("sums", "again", attempts=1, outcomes=True)
            died = heard.answer("died", 1)
            self.assertEqual((died["cause"], died["reason"]), ("attempts", "once more"))
            hive.stop()

    def test_outcomes_that_nobody_asked_for(self):
        with foreign() as hive, Heard(hive) as heard:
            hive.wait_ready(2)
            heard.submit("sums", "sum 1 1", "juggle")
            wait_queue(hive, "sums", lambda queue: (queue["done"], queue["dead"]) == (1, 1), "both to end")
            heard.submit("sums", "sum 1 2", outcomes=True)
            self.assertEqual(heard.result(3), "3")
            self.assertEqual((heard.count("finished"), heard.count("died")), (1, 0))
            hive.stop()

    def test_results_of_a_client_that_has_left(self):
        with foreign() as hive, Heard(hive) as heard:
            hive.wait_ready(2)
            heard.submit("sums", "sum 1 1", delay_ms=2000, outcomes=True)
            heard.id(1)
            heard.client.close()
            wait_queue(hive, "sums", lambda queue: (queue["done"], queue["unclaimed"]) == (1, 1), "an unclaimed result")
            hive.stop()

    def test_the_page_is_kept(self):
        with foreign(workers=1) as hive, Heard(hive) as heard:
            hive.wait_ready(1)
            heard.submit("sums", "page", "page", outcomes=True)
            self.assertEqual([heard.result(1), heard.result(2)], ["[0, 0]", "[0, 0]"])
            hive.stop()

    def test_a_worker_that_leaves_gives_back(self):
        with foreign() as hive, Heard(hive) as heard:
            hive.wait_ready(2)
            heard.submit("sums", *["id"] * 300, "leave", *["id"] * 300, outcomes=True)
            done = [heard.result(number) for number in range(1, 602)]
            self.assertLessEqual(set(done), {"1", "2", "leaving"})
            hive.wait_line(r"worker \d .*exited with status 0 \(voluntary\)")
            status = queue_status(hive, "sums")
            self.assertEqual([status[name] for name in ("done", "redelivered", "refused")], [601, 0, 0])
            hive.stop()

    def test_a_death_counts_for_the_job_at_work_alone(self):
        with foreign(options=["--deaths", "2"]) as hive, Heard(hive) as heard:
            hive.wait_ready(2)
            heard.submit("sums", *["sum 1 1"] * 20, "crash", *["sum 1 1"] * 20, outcomes=True)
            died = heard.answer("died", 21)
            self.assertEqual(died["cause"], "deaths")
            for number in [*range(1, 21), *range(22, 42)]:
                self.assertEqual(heard.result(number), "2")
            letter, = dead_letters(hive)
            self.assertEqual((letter["deaths"], letter["signal"]), (2, signal.SIGKILL))
            self.assertNotIn("code", letter)
            hive.wait_ready(2)
            hive.stop()


class Numbers(Case):
    """What arrives twice is not taken twice; what was lost is asked for."""

    def say_submit(self, heard, number, *jobs):
        heard.client.say(pack("submit", queue=NOBODY, number=number, jobs=[job.encode() for job in jobs]))

    def test_twice(self):
        with foreign() as hive, Heard(hive) as heard:
            self.say_submit(heard, 1, "a", "b")
            self.assertEqual([heard.id(1), heard.id(2)], [1, 2])
            del heard.commands[:]
            self.say_submit(heard, 1, "a", "b")
            self.assertEqual(heard.answer("accepted", 1)["id"], 0)
            self.assertEqual(heard.answer("accepted", 2)["id"], 0)
            self.say_submit(heard, 3, "c")
            self.assertEqual(heard.id(3), 3)
            self.assertEqual(queue_status(hive, NOBODY)["ready"], 3)
            hive.stop()

    def test_partly_twice(self):
        with foreign() as hive, Heard(hive) as heard:
            self.say_submit(heard, 1, "a", "b")
            heard.id(2)
            self.say_submit(heard, 2, "b", "c", "d")
            self.assertEqual(heard.id(4), 4)
            self.assertEqual([job["data"] for job in peek(hive, NOBODY)], [b"a", b"b", b"c", b"d"])
            hive.stop()

    def test_a_gap(self):
        with foreign() as hive, Heard(hive) as heard:
            self.say_submit(heard, 1, "a")
            self.say_submit(heard, 3, "c")
            self.assertEqual(heard.until(lambda command: command["cmd"] == "expected")["number"], 2)
            self.say_submit(heard, 2, "b", "c")
            self.assertEqual(heard.id(3), 3)
            self.assertEqual([job["data"] for job in peek(hive, NOBODY)], [b"a", b"b", b"c"])
            hive.stop()

    def test_every_client_has_its_own(self):
        with foreign() as hive, Heard(hive) as one, Heard(hive) as other:
            self.assertNotEqual(one.client.id, other.client.id)
            one.submit(NOBODY, "a")
            self.assertEqual(one.id(1), 1)
            other.submit(NOBODY, "b")
            self.assertEqual(other.id(1), 2)
            self.assertEqual(len(one.commands), 1)
            hive.stop()

    def test_several_commands_in_a_frame(self):
        with foreign() as hive, Heard(hive) as heard:
            heard.client.say(*[pack("submit", queue=NOBODY, number=number, jobs=[b"x"]) for number in range(1, 101)])
            self.assertEqual(heard.id(100), 100)
            hive.stop()


class Options(Case):
    """Jobs that nobody handles yet show what was asked for."""

    def test_priorities(self):
        with foreign() as hive, Heard(hive) as heard:
            for job, priority in (("a", None), ("b", 255), ("c", 0), ("d", 127), ("e", 128), ("f", 0)):
                heard.submit(NOBODY, job, priority=priority)
            heard.id(6)
            found = peek(hive, NOBODY)
            self.assertEqual(b"".join(job["data"] for job in found), b"cfdaeb")
            self.assertEqual([job["priority"] for job in found], [0, 0, 127, 128, 128, 255])
            hive.stop()

    def test_delay(self):
        with foreign() as hive, Heard(hive) as heard:
            hive.wait_ready(2)
            began_s = time.monotonic()
            heard.submit("sums", "sum 1 1", delay_ms=2000, outcomes=True)
            heard.id(1)
            self.assertEqual([job["state"] for job in peek(hive, "sums")], ["delayed"])
            self.assertEqual(heard.result(1), "2")
            self.assertGreaterEqual(time.monotonic() - began_s, 1.9)
            hive.stop()

    def test_time_to_live(self):
        with foreign() as hive, Heard(hive) as heard:
            heard.submit(NOBODY, "a", ttl_ms=100, outcomes=True)
            self.assertEqual(heard.answer("died", 1)["cause"], "expired")
            letter, = dead_letters(hive, NOBODY)
            self.assertEqual((letter["cause"], letter["attempt"], letter["deaths"]), ("expired", 0, 0))
            hive.stop()

    def test_keys(self):
        with foreign() as hive, Heard(hive) as heard:
            heard.submit(NOBODY, "a", "b", keys=[b"one", b"two"])
            heard.submit(NOBODY, "c", "d", "e", keys=[b"two", b"", b""])
            self.assertEqual(heard.id(5), 4)
            again = heard.answer("accepted", 3)
            self.assertEqual((again["id"], again["duplicate"]), (2, True))
            self.assertNotIn("duplicate", heard.answer("accepted", 1))
            self.assertEqual([job["data"] for job in peek(hive, NOBODY)], [b"a", b"b", b"d", b"e"])
            self.assertEqual(queue_status(hive, NOBODY)["duplicates"], 1)
            heard.submit("another-" + NOBODY, "f", keys=[b"two"])  # each queue has its own
            self.assertEqual(heard.id(6), 5)
            hive.stop()

    def test_key_of_a_job_that_is_done(self):
        with foreign() as hive, Heard(hive) as heard:
            hive.wait_ready(2)
            heard.submit("sums", "sum 1 1", keys=[b"k"], outcomes=True)
            heard.result(1)
            heard.submit("sums", "sum 1 1", keys=[b"k"], outcomes=True)
            again = heard.answer("accepted", 2)
            self.assertEqual((again["id"], again["duplicate"]), (1, True))
            self.assertNotIn("waits", again)  # nobody keeps its result
            hive.stop()

    def test_key_of_a_job_that_waits_longer_than_keys_are_remembered(self):
        with foreign(options=["--dedup", "0.001"]) as hive, Heard(hive) as heard:
            heard.submit(NOBODY, "a", keys=[b"k"], outcomes=True)
            heard.submit(NOBODY, "b", ttl_ms=20, outcomes=True)
            heard.answer("died", 2)  # so much time has passed
            heard.submit(NOBODY, "a", keys=[b"k"], outcomes=True)
            again = heard.answer("accepted", 3)
            self.assertEqual((again["id"], again["duplicate"], again["waits"]), (1, True, True))
            hive.stop()

    def test_keys_of_done_jobs_give_way_to_new_jobs(self):
        """They are shown, and what is lost with them is reported, once in ten seconds."""
        with foreign(options=["--jobs-bytes", "64K"]) as hive, Heard(hive) as heard:
            hive.wait_ready(2)
            for first in range(1, 1001, 100):
                heard.submit("sums", *["sum 1 1"] * 100, keys=[b"%d" % (first + i) for i in range(100)], outcomes=True)
                for i in range(100):
                    heard.result(first + i)
            self.assertEqual(heard.declined(), [])
            self.assertIn(queue_status(hive, "sums")["bytes"], range(32 * 1024, 64 * 1024 + 1))
            hive.wait_line(r"no memory for keys: \d+ of jobs that had ended were forgotten before .*--dedup \(120 s\)")
            heard.submit("sums", "sum 1 1", keys=[b"1000"])
            self.assertTrue(heard.answer("accepted", 1001)["duplicate"])
            self.assertEqual(hive.count("no memory for keys"), 1, hive.describe())
            hive.stop()

    def test_names_of_queues_do_not_run_out(self):
        names, others = 1100, MAX_QUEUES - 1  # the workers' own is in use
        with foreign() as hive, Heard(hive) as heard:
            hive.wait_ready(2)
            for turn in (1, 2):
                for i in range(names):
                    heard.submit(f"session-{turn}-{i}", "x", ttl_ms=1, outcomes=True)
                while heard.count("died") + len(heard.declined()) < turn * names:
                    heard.commands += heard.client.hear()
                self.assertEqual(heard.declined(), [EQUEUES] * turn * (names - others))
                self.assertEqual(ask(hive, "dropDead")[0]["n"], others)
            hive.stop()

    def test_full(self):
        with foreign(options=["--queue-jobs", "10"]) as hive, Heard(hive) as heard:
            heard.submit(NOBODY, *["x"] * 15)
            self.assertEqual(heard.answer("declined", 11)["status"], EFULL)
            self.assertEqual(heard.answer("declined", 15)["status"], EFULL)
            self.assertEqual([heard.id(1), heard.id(10)], [1, 10])
            status = queue_status(hive, NOBODY)
            self.assertEqual((status["ready"], status["declined"]), (10, 5))
            heard.submit("another-" + NOBODY, "x")
            self.assertEqual(heard.id(16), 11)
            hive.stop()


class Asking(Case):
    def failed(self, hive, cmd, **fields):
        answer, = ask(hive, cmd, **fields)
        self.assertEqual(answer["cmd"], "failed")
        return answer["status"]

    def test_queues(self):
        with foreign() as hive, Heard(hive) as heard:
            hive.wait_ready(2)
            heard.submit(NOBODY, "x")
            heard.id(1)
            queues = {queue["name"]: queue for queue in ask(hive, "queues")}
            self.assertEqual(set(queues), {"sums", NOBODY})
            self.assertEqual((queues["sums"]["workers"], queues[NOBODY]["workers"]), (2, 0))
            self.assertGreater(queues[NOBODY]["bytes"], 0)
            wait_until(lambda: queue_status(hive, NOBODY)["oldest_ms"] > 0, "its age", context=hive.describe)
            hive.stop()

    def test_peek(self):
        with foreign() as hive, Heard(hive) as heard:
            heard.submit(NOBODY, *["y"] * 12, "z" * 10000)
            heard.id(13)
            self.assertEqual([job["id"] for job in peek(hive, NOBODY, n=None)], list(range(1, 11)))
            *_, long = peek(hive, NOBODY)
            self.assertEqual((long["size"], long["data"], long["state"], long["attempt"], long["queue"]),
                             (10000, b"z" * 4096, "ready", 0, NOBODY))
            hive.stop()

    def test_nothing_to_list(self):
        """A frame has one command at least."""
        with foreign() as hive:
            hive.wait_ready(2)
            for question in ({"cmd": "peek", "queue": "sums"}, {"cmd": "deadLetters"},
                             {"cmd": "deadLetters", "queue": "sums"}):
                self.assertEqual(ask(hive, **question), [{"cmd": "done"}])
            hive.stop()

    def test_queues_and_jobs_that_are_not_there(self):
        with foreign() as hive:
            hive.wait_ready(2)
            self.assertEqual(self.failed(hive, "peek", queue="nope"), ENOQUEUE)
            self.assertEqual(self.failed(hive, "deadLetters", queue="nope"), ENOQUEUE)
            self.assertEqual(self.failed(hive, "reviveDead", queue="nope"), ENOQUEUE)
            self.assertEqual(self.failed(hive, "dropDead", id=7), ENOJOB)
            self.assertEqual(self.failed(hive, "reviveDead", id=7), ENOJOB)
            hive.stop()

    def kill_three(self, hive, heard):
        heard.submit("sums", "juggle", "juggle", "juggle", outcomes=True)
        for number in (1, 2, 3):
            heard.answer("died", number)

    def test_dead_letters(self):
        with foreign() as hive, Heard(hive) as heard:
            hive.wait_ready(2)
            self.kill_three(hive, heard)
            letters = dead_letters(hive, "sums")
            self.assertEqual(sorted(letter["id"] for letter in letters), [1, 2, 3])
            first = letters[0]
            self.assertEqual([first[name] for name in ("state", "cause", "reason", "attempt", "deaths", "data")],
                             ["dead", "refused", "no such thing to do: juggle", 1, 0, b"juggle"])
            self.assertIn(first["worker"], (1, 2))
            self.assertLess(abs(first["died"] / 1000 - time.time()), 600)
            rest = dead_letters(hive, after=first["id"])
            self.assertEqual(rest and [letter["id"] for letter in rest], [letter["id"] for letter in letters[1:]])
            self.assertEqual(len(dead_letters(hive, n=1)), 1)
            hive.stop()

    def test_revived(self):
        with foreign() as hive, Heard(hive) as heard:
            hive.wait_ready(2)
            self.kill_three(hive, heard)
            self.assertEqual(ask(hive, "reviveDead", id=2), [{"cmd": "changed", "n": 1}])
            status = wait_queue(hive, "sums", lambda queue: queue["dead"] == 3, "it to die again")
            self.assertEqual(status["ready"] + status["reserved"], 0)
            self.assertEqual([letter["attempt"] for letter in dead_letters(hive)], [1, 1, 1])
            self.assertEqual(ask(hive, "reviveDead", queue="sums"), [{"cmd": "changed", "n": 3}])
            wait_queue(hive, "sums", lambda queue: queue["dead"] == 3, "all to die again")
            hive.stop()

    def test_dropped(self):
        with foreign() as hive, Heard(hive) as heard:
            hive.wait_ready(2)
            self.kill_three(hive, heard)
            self.assertEqual(ask(hive, "dropDead", id=2), [{"cmd": "changed", "n": 1}])
            self.assertEqual(sorted(letter["id"] for letter in dead_letters(hive)), [1, 3])
            self.assertEqual(ask(hive, "dropDead"), [{"cmd": "changed", "n": 2}])
            self.assertEqual((dead_letters(hive), queue_status(hive, "sums")["dead"]), ([], 0))
            self.assertEqual(ask(hive, "dropDead"), [{"cmd": "changed", "n": 0}])
            hive.stop()

    def test_dead_letters_are_news(self):
        with foreign() as hive, Heard(hive) as heard:
            hive.wait_ready(2)
            events = hive.events()
            events.wait_line(r"from number \d+")
            self.kill_three(hive, heard)
            self.assertIn("sums", events.wait_event("dead")["reason"])
            hive.stop()


class Messages(Case):
    def test_request_to_a_worker(self):
        with foreign() as hive, Heard(hive) as heard:
            hive.wait_ready(2)
            heard.client.say(pack("message", name="echo", data=b"hello", to=2, request=7))
            reply = heard.until(lambda command: command["cmd"] == "reply")
            self.assertEqual((reply["request"], reply.get("status", 0), reply["data"]), (7, 0, b"hello"))
            hive.stop()

    def test_requests_that_nobody_answers(self):
        with foreign(workers=1) as hive, Heard(hive) as heard:
            hive.wait_ready(1)
            heard.client.say(pack("message", name="echo", to=999, request=1), pack("message", name="x", request=2),
                             pack("message", name="x", to=1, request=3))
            pid, = hive.pids().values()
            for request, status in ((1, ENOWORKER), (2, ENOHANDLER), (3, ENOHANDLER)):
                reply = heard.until(lambda command: (command["cmd"], command.get("request")) == ("reply", request))
                self.assertEqual(reply["status"], status)
            os.kill(pid, signal.SIGSTOP)
            heard.client.say(pack("message", name="echo", to=1, request=4, timeout_ms=200))
            reply = heard.until(lambda command: (command["cmd"], command.get("request")) == ("reply", 4))
            self.assertEqual(reply["status"], ETIMEDOUT)
            os.kill(pid, signal.SIGCONT)
            hive.stop()

    def test_undelivered(self):
        with foreign() as hive, Heard(hive) as heard:
            hive.wait_ready(2)
            heard.client.say(pack("message", name="note", to=999), pack("message", name="note", toName="nobody"))
            first = heard.until(lambda command: command.get("to") == 999)
            second = heard.until(lambda command: command.get("toName") == "nobody")
            for command in (first, second):
                self.assertEqual([command[name] for name in ("cmd", "name", "status")],
                                 ["undelivered", "note", ENOWORKER])
            hive.stop()


if __name__ == "__main__":
    unittest.main()
