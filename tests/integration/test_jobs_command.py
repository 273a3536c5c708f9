#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""skep submit, queues, peek, dead, send and call with a real broker and real workers."""
import contextlib
import json
import os
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from hive import Hive, Process, program, wait_until
from jobs import job_worker_path, workers
from mocked import Mocked
from terminal import Terminal

ACTOR = str(Path(job_worker_path()).parent / "actor")


@contextlib.contextmanager
def waiting(hive, *arguments):
    """skep submit --wait in the background."""
    process = Process([program("skep"), "submit", *arguments, "--wait", "--dir", hive.folder])
    try:
        yield process
    finally:
        process.end()


class Commands(unittest.TestCase):
    def skep(self, hive, *arguments, code=0, out=None, err=""):
        done = hive.skep(*arguments)
        self.assertEqual(done.code, code, done.describe())
        if out is not None:
            self.assertEqual(done.output("out"), out, done.describe())
        self.assertRegex(done.output("err"), rf"\A{err}\Z", done.describe())
        return done.output("out")

    def json(self, hive, *arguments, **expected):
        return json.loads(self.skep(hive, *arguments, "--json", **expected))

    def queue(self, hive, name):
        return next((one for one in self.json(hive, "queues")["queues"] if one["name"] == name), None)

    def wait_queue(self, hive, name, **wanted):
        def look():
            found = self.queue(hive, name)
            return found if found and {key: found[key] for key in wanted} == wanted else None
        return wait_until(look, f"queue {name} with {wanted}", context=hive.describe)


def unhandled(queue):
    return f"skep: submit: no worker has ever handled queue {queue}: its jobs wait until one does"


class Stop(Commands):
    def ask(self, hive, answer, *options):
        """skep stop on a terminal, where somebody types the answer: its exit status, what it wrote."""
        with Terminal("skep", "stop", "--dir", hive.folder, *options) as terminal:
            terminal.wait(rb"Stop anyway\? \[y/N\] ")
            os.write(terminal.master, answer)
            return terminal.end(), terminal.written.decode()

    def test_it_asks_on_a_terminal(self):
        with Mocked("handle other") as hive:
            hive.wait_ready(2)
            self.skep(hive, "submit", "mail", "a", err=unhandled("mail"))
            for answer in (b"\n", b"n\n", b"what?\n", b"\x04"):
                code, text = self.ask(hive, answer, "--now")
                self.assertEqual(code, 70, text)
                self.assertIn("skep: stop: 1 job would be lost: it is in memory only\r\n", text)
                self.assertIn("skep: stop: not stopped\r\n", text)
            self.assertEqual(hive.count("broker: stopping"), 0)
            self.assertEqual(self.ask(hive, b"y\n")[0], 0)
            hive.wait_line("1 job is lost: it was in memory only")
            self.assertEqual(hive.wait_exit(), 0)

    def test_it_does_not_ask_if_nothing_is_lost(self):
        with Mocked("handle mail", "job * reply done") as hive:
            hive.wait_ready(2)
            self.skep(hive, "submit", "mail", "a", "--wait")
            with Terminal("skep", "stop", "--dir", hive.folder) as asked:
                self.assertEqual((asked.end(), asked.written), (0, b""))
            self.assertEqual(hive.wait_exit(), 0)

    def test_a_stop_says_what_is_lost(self):
        with workers("mail") as hive:
            hive.wait_ready(2)
            self.skep(hive, "submit", "nobody", "a", err=unhandled("nobody"))
            self.skep(hive, "submit", "nobody", "b", "--delay", "3600", err=unhandled("nobody"))
            self.skep(hive, "submit", "mail", "c done", "--wait")
            hive.stop()
            hive.wait_line("2 jobs are lost: they were in memory only")


class Submit(Commands):
    def test_results_and_dead_letters(self):
        with Mocked("handle mail", 'job "greet" reply hello', 'job "twice" attempt 1 retry 10ms x',
                    'job "twice" reply "at last"', 'job "refuse" fail because',
                    'job "hopeless" retry 0s "as it was told"') as hive:
            hive.wait_ready(2)
            self.assertEqual(self.skep(hive, "submit", "mail", "a"), "1")
            self.assertEqual(self.skep(hive, "submit", "mail", "greet", "--wait"), "hello")
            self.assertEqual(self.json(hive, "submit", "mail", "twice", "--wait"),
                             {"id": 3, "status": "done", "result": "at last"})
            said = "skep: submit: job 4 is a dead letter: refused: because"
            self.assertEqual(self.json(hive, "submit", "mail", "refuse", "--wait", code=65, err=said)["cause"],
                             "refused")
            said = "skep: submit: job 5 is a dead letter: attempts: as it was told"
            self.skep(hive, "submit", "mail", "hopeless", "--attempts", "2", "--wait", code=65, err=said)
            self.wait_queue(hive, "mail", done=3, dead=2, submitted=5, ready=0, reserved=0)
            hive.wait_line("broker: dead letter: job 4 of mail: refused")
            hive.wait_line("broker: dead letter: job 5 of mail: attempts")  # though it came soon after the other
            hive.stop()

    def test_a_job_that_kills_its_workers(self):
        with workers("mail", options=["--deaths", "2"]) as hive:
            hive.wait_ready(2)
            self.skep(hive, "submit", "mail", f"a crash {signal.SIGKILL}", "--wait", code=65,
                      err="skep: submit: job 1 is a dead letter: deaths.*")
            letter, = self.json(hive, "dead", "list")["dead"]
            self.assertEqual({key: letter[key] for key in ("id", "queue", "cause", "deaths", "signal", "data")},
                             {"id": 1, "queue": "mail", "cause": "deaths", "deaths": 2, "signal": "SIGKILL",
                              "data": f"a crash {signal.SIGKILL}"})
            self.assertRegex(self.skep(hive, "dead", "list"), rf"{letter['worker']} pid {letter['pid']} SIGKILL")
            hive.mended_path.touch()
            self.skep(hive, "dead", "retry", "1", out="1 dead letter put back")
            self.wait_queue(hive, "mail", done=1, dead=0)
            hive.stop()

    def test_many_lines(self):
        count = 20000
        with Mocked("handle mail", "job * echo") as hive:
            hive.wait_ready(2)
            lines = "".join(f"r{i}\n" for i in range(count)).encode()
            done = subprocess.run([program("skep"), "submit", "mail", "--lines", "-", "--wait", "--dir", hive.folder],
                                  input=lines, capture_output=True, timeout=100)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(sorted(done.stdout.split()), sorted(b"r%d" % i for i in range(count)))
            self.assertRegex(done.stderr, rb"\Askep: submit: 20000 jobs accepted, 0 declined, 20000 done in .*\n\Z")
            self.wait_queue(hive, "mail", done=count, submitted=count)
            hive.stop()

    def test_keys(self):
        with Mocked("handle mail") as hive:
            hive.wait_ready(2)
            self.skep(hive, "submit", "mail", "a", "--key", "k", out="1")
            self.skep(hive, "submit", "mail", "a", "--key", "k", out="1",
                      err="skep: submit: duplicate: job 1 had this key before")
            lines = Path(hive.scripts.name, "lines")
            lines.write_text("b\nc\n")
            for summary in ("2 jobs accepted, 0 declined", r"0 jobs accepted, 0 declined \(2 duplicates\)"):
                self.skep(hive, "submit", "mail", "--lines", str(lines), "--key", "file",
                          err=f"skep: submit: {summary} in .*")
            self.wait_queue(hive, "mail", submitted=3, duplicates=3)
            hive.stop()

    def test_copies_of_jobs_that_have_ended(self):
        with Mocked("handle mail", 'job "bad" attempt 1 fail because', "job * reply hello") as hive:
            hive.wait_ready(2)
            for _ in range(2):  # the second as the first
                self.skep(hive, "submit", "mail", "bad", "--key", "k", "--wait", code=65, err="skep: .*refused.*")
            self.skep(hive, "submit", "mail", "bad", "--key", "k", out="1", err="skep: submit: duplicate: .*")
            self.skep(hive, "submit", "mail", "good", "--key", "l", "--wait", out="hello")
            self.skep(hive, "submit", "mail", "good", "--key", "l", "--wait", out="",
                      err="skep: submit: duplicate: job 2 had this key before and was done; its result is not kept")
            self.skep(hive, "dead", "drop", "1", out="1 dead letter dropped")  # its key is still remembered
            self.skep(hive, "submit", "mail", "bad", "--key", "k", "--wait", code=65, err="skep: submit: .*refused")
            hive.stop()

    def test_copies_wait_for_the_result_of_the_first(self):
        with Mocked("handle mail", "job * reply hello") as hive:
            hive.wait_ready(2)
            self.skep(hive, "pause", "--queue", "mail")
            arguments = ("mail", "a", "--key", "k")
            with waiting(hive, *arguments) as first, waiting(hive, *arguments) as second:
                self.wait_queue(hive, "mail", ready=1, duplicates=1)
                self.skep(hive, "resume", "--queue", "mail")
                for process in (first, second):
                    self.assertEqual(process.wait_exit(), 0, process.describe())
                    self.assertEqual(process.output("out"), "hello")
            self.wait_queue(hive, "mail", done=1, unclaimed=0)
            hive.stop()

    def test_a_full_queue(self):
        with Mocked("handle other", options=["--queue-jobs", "2"]) as hive:
            hive.wait_ready(2)
            for number in (1, 2):
                self.skep(hive, "submit", "mail", "x", out=str(number), err=unhandled("mail"))
            self.skep(hive, "submit", "mail", "x", code=75, err="skep: submit: mail: the queue is full")
            self.assertEqual(self.queue(hive, "mail")["declined"], 1)
            hive.stop()

    def test_a_queue_that_nobody_has_ever_handled(self):
        with Mocked("handle mail", "job * reply done") as hive, tempfile.NamedTemporaryFile("w") as lines:
            hive.wait_ready(2)
            self.assertEqual(self.json(hive, "submit", "mial", "x", err=unhandled("mial"))["status"], "accepted")
            lines.write("a\nb\nc\n")
            lines.flush()
            self.skep(hive, "submit", "mial", "--lines", lines.name,
                      err=unhandled("mial") + r"\nskep: submit: 3 jobs accepted, 0 declined in .*")
            self.assertEqual(self.queue(hive, "mial")["ready"], 4)
            self.skep(hive, "submit", "mail", "x")
            self.skep(hive, "scale", "0", out="2 -> 0 workers\n0 workers ready")
            self.skep(hive, "submit", "mail", "x")  # somebody has
            hive.stop()

    def test_waiting_for_a_worker_that_is_not_there(self):
        with Mocked("handle other") as hive:
            hive.wait_ready(2)
            hint = "skep: submit: no worker handles queue mail yet"
            with waiting(hive, "mail", "a") as process:
                process.wait_line(f"^{hint}$", stream="err")
                hive.rewrite("handle mail", "job * reply done")
                hive.kill9(hive.pids()[1])
                self.assertEqual(process.wait_exit(), 0, process.describe())
                self.assertEqual((process.output("out"), process.output("err")), ("done", hint))
            hive.stop()

    def test_a_worker_that_takes_its_time_is_nothing_to_speak_of(self):
        with Mocked("handle mail", "job * delay 1500ms reply done") as hive:
            hive.wait_ready(2)
            self.skep(hive, "submit", "mail", "a", "--wait", out="done", err="")
            hive.stop()

    def test_a_broker_that_is_killed(self):
        with Mocked("handle mail", "job * never") as hive:
            hive.wait_ready(2)
            process = subprocess.Popen([program("skep"), "submit", "mail", "a", "--wait", "--dir", hive.folder],
                                       stderr=subprocess.PIPE, text=True)
            self.addCleanup(process.kill)
            self.wait_queue(hive, "mail", reserved=1)
            os.kill(hive.pid, signal.SIGKILL)
            said = process.communicate(timeout=20)[1]
            self.assertRegex(said, ": the other side is gone\nskep: submit: the outcome of job 1 is unknown\n\\Z")
            self.assertEqual(process.returncode, 69)


class Look(Commands):
    def test_queues_and_jobs(self):
        with Mocked("handle mail") as hive:
            hive.wait_ready(2)
            self.assertEqual(self.skep(hive, "peek", "mail"), "no jobs")
            self.assertEqual(self.skep(hive, "dead", "list"), "no dead letters")
            self.skep(hive, "peek", "none", code=68, err="skep: peek: none: no such queue")
            self.skep(hive, "submit", "slow", "later", "--delay", "1000", out="1", err=unhandled("slow"))
            self.skep(hive, "submit", "slow", "last", "--priority", "5", out="2", err=unhandled("slow"))
            self.skep(hive, "submit", "slow", "first", "--priority", "-5", out="3", err=unhandled("slow"))
            found = self.json(hive, "peek", "slow")["jobs"]
            self.assertEqual([(one["id"], one["state"], one["priority"], one["data"]) for one in found],
                             [(3, "ready", -5, "first"), (2, "ready", 5, "last"), (1, "delayed", 0, "later")])
            self.assertEqual(len(self.json(hive, "peek", "slow", "-n", "1")["jobs"]), 1)
            self.assertTrue(self.skep(hive, "queues").endswith("slow: 3 jobs, and no worker handles it"))
            slow = self.queue(hive, "slow")
            self.assertEqual((slow["ready"], slow["delayed"], slow["workers"]), (2, 1, 0))
            self.assertEqual(self.queue(hive, "mail")["workers"], 2)
            hive.stop()

    def test_no_queues(self):
        with Mocked() as hive:
            hive.wait_ready(2)
            self.assertEqual(self.skep(hive, "queues"), "no queues")
            self.assertEqual(self.skep(hive, "dead", "drop", "--all"), "0 dead letters dropped")
            hive.stop()

    def test_dead_letters_of_several_queues(self):
        with Mocked("handle mail", "handle 7", "job * fail because") as hive:
            hive.wait_ready(2)
            for name in ("mail", "7"):
                lines = Path(hive.scripts.name, "lines")
                lines.write_text("x\n" * 150)
                self.skep(hive, "submit", name, "--lines", str(lines), err=".*")
                self.wait_queue(hive, name, dead=150)
            self.assertEqual(len({one["id"] for one in self.json(hive, "dead", "list", "-n", "1000")["dead"]}), 300)
            self.assertEqual(len(self.json(hive, "dead", "list", "7", "-n", "120")["dead"]), 120)
            some = self.json(hive, "dead", "list", "mail", "-n", "1")["dead"][0]["id"]
            self.skep(hive, "dead", "drop", str(some), out="1 dead letter dropped")
            self.skep(hive, "dead", "drop", str(some), code=68, err=f"skep: dead drop: {some}: no such dead letter")
            self.skep(hive, "dead", "drop", "--queue", "7", out="150 dead letters dropped")
            self.skep(hive, "dead", "drop", "nothing", code=68, err="skep: dead drop: nothing: no such queue")
            self.skep(hive, "dead", "retry", "--all", out="149 dead letters put back")
            self.wait_queue(hive, "mail", dead=149)
            hive.stop()


class Messages(Commands):
    def test_send(self):
        with Hive(ACTOR, "--talk") as hive:
            hive.wait_ready(2)
            self.skep(hive, "send", "2", "one", "--raw", "data", out="")
            hive.wait_line("^one data$", stream="out")
            self.skep(hive, "send", "actor", "named", '"text"', out="")
            hive.wait_line("^named .text$", stream="out")
            self.skep(hive, "send", "all", "everybody", "--raw", "hears", out="")
            hive.wait_line("^everybody hears$", stream="out", times=2)
            self.skep(hive, "send", "99", "x", code=68, err="skep: send: no worker 99")
            self.skep(hive, "send", "nobody", "x", code=68, err="skep: send: no worker nobody")
            hive.stop()

    def test_call(self):
        with Hive(ACTOR, "--talk") as hive:
            hive.wait_ready(2)
            text = '{"list":[1,-2,1.5,"ä",true,null],"more":{}}'
            self.skep(hive, "call", "1", "echo", text, out=text)
            self.skep(hive, "call", "actor", "echo", "--raw", "as it is", out="as it is")
            self.skep(hive, "call", "1", "other", code=69, err="skep: call: 1 other: no handler for that")
            self.skep(hive, "call", "99", "echo", code=68, err="skep: call: no worker 99")
            self.skep(hive, "call", "0", "echo", code=69, err="skep: call: 0 echo: no handler for that")
            hive.stop()

    def test_a_worker_that_does_not_reply(self):
        with Hive(ACTOR, "--talk", workers=1) as hive:
            status = hive.wait_ready(1)
            os.kill(status["workers"][0]["pid"], signal.SIGSTOP)
            self.skep(hive, "call", "1", "echo", "--timeout", "0.2", code=75,
                      err="skep: call: 1 echo: no answer in time")
            os.kill(status["workers"][0]["pid"], signal.SIGCONT)
            hive.stop()


if __name__ == "__main__":
    unittest.main()
