#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""skep submit, queues, peek, dead, send and call against a broker that does as it is told: what they print and ask, the
exit statuses, malformed answers, and a broker that vanishes."""
import json
import os
import pty
import re
import signal
import subprocess
import threading
import unittest

import msgpack

from fake_broker import FakeBroker, broker_status, job, pack, queue
from hive import program, run, wait_until

ENOWORKER, ENOHANDLER, ETOOBIG, EFULL, ENOQUEUE, ESTATE = 18, 19, 17, 24, 25, 23
EQUEUES, ECLIENTS = 34, 35
MIB = 1 << 20


class Jobs(unittest.TestCase):
    def setUp(self):
        self.broker = FakeBroker()
        self.addCleanup(self.broker.__exit__)

    def check(self, done, code, out="", err=""):
        """The exit status, all of stdout, and a pattern for all of stderr."""
        self.assertEqual((done.code, done.output("out")), (code, out), done.describe())
        self.assertRegex(done.output("err"), rf"\A{err}\Z", done.describe())
        return done

    def skep(self, *arguments, code=0, out="", err="", input=None):
        return self.check(self.broker.skep(*arguments, input=input), code, out, err)

    def json(self, *arguments, code=0, err=""):
        done = self.broker.skep(*arguments, "--json")
        self.check(done, code, done.output("out"), err)
        return json.loads(done.output("out"))

    def usage(self, pattern, *arguments):
        """Wrong usage: the broker is not even looked for."""
        self.check(run("skep", *arguments, "--dir", "/nonexistent"), 64, "", f"skep: {pattern}")

    def where(self):
        return rf"skep: broker pid {os.getpid()} in {re.escape(self.broker.folder)}: "

    def finish(self, process):
        process.code = process.wait_exit()
        return process

    def start(self, *arguments):
        process = self.broker.start(*arguments)
        self.addCleanup(process.end)
        return process


class SubmitOne(Jobs):
    def test_its_id_is_printed(self):
        self.broker.last_id = 16
        self.skep("submit", "mail", "hello", out="17")
        self.assertEqual(self.json("submit", "mail", "hello"), {"id": 18, "status": "accepted"})
        self.assertEqual(self.broker.jobs(), [b"hello", b"hello"])
        self.assertEqual({command["queue"] for command in self.broker.taken if command["cmd"] == "submit"}, {"mail"})

    def test_all_of_stdin_is_one_job(self):
        self.skep("submit", "mail", out="1", input=b"two\nlines\0\xff\n")
        self.skep("submit", "mail", "-", out="2", input=b"x" * MIB)
        self.skep("submit", "mail", out="3", input=b"")
        self.assertEqual(self.broker.jobs(), [b"two\nlines\0\xff\n", b"x" * MIB, b""])

    def test_the_result_is_printed_as_it_is(self):
        done = subprocess.run([program("skep"), "submit", "mail", "abc", "--wait", "--dir", self.broker.folder],
                              capture_output=True)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"ABC", b""))
        self.assertEqual(self.json("submit", "--wait", "mail", "x"), {"id": 2, "status": "done", "result": "X"})
        self.broker.submitted = lambda command: [pack("accepted", number=1, id=3),
                                                 pack("finished", number=1, results=[b"\xff\x00"])]
        self.assertEqual(self.json("submit", "--wait", "mail", "x"), {"id": 3, "status": "done", "result_hex": "ff00"})

    def test_a_result_cannot_drive_a_terminal(self):
        result = b"\x1b[2J\xc2\x9b\xfft\xc3\xa4\n"
        self.broker.submitted = lambda command: [pack("accepted", number=1, id=3),
                                                 pack("finished", number=1, results=[result])]
        shown = self.on_terminal("stdout", "submit", "--wait", "mail", "x")
        self.assertEqual(shown, "?[2J???tä\r\n")

    def on_terminal(self, stream, *arguments, stdin=subprocess.DEVNULL):
        """What is written to a terminal by one of its streams."""
        master, slave = pty.openpty()
        process = subprocess.Popen([program("skep"), *arguments, "--dir", self.broker.folder], stdin=stdin,
                                   **{stream: slave})
        os.close(slave)
        shown = b""
        try:
            while data := os.read(master, 65536):
                shown += data
        except OSError:  # that is how a terminal ends
            pass
        os.close(master)
        self.assertEqual(process.wait(20), 0)
        return shown.decode()

    def test_options_reach_the_broker(self):
        self.skep("submit", "mail", "x", "--delay", "1.5", "--priority", "-128", "--ttl", "60", "--attempts", "9",
                  "--key", "k", out="1")
        self.skep("submit", "mail", "x", "--priority", "127", out="2")
        first, second = [command for command in self.broker.taken if command["cmd"] == "submit"]
        self.assertEqual([first[field] for field in ("delay_ms", "priority", "ttl_ms", "attempts", "keys")],
                         [1500, 0, 60000, 9, [b"k"]])
        self.assertEqual(second["priority"], 255)
        self.assertFalse(first.get("outcomes", False))

    def test_times_with_a_unit(self):
        self.skep("submit", "mail", "x", "--delay", "2m", "--lease", "300ms", "--ttl", "1.5h", out="1")
        submit, = [command for command in self.broker.taken if command["cmd"] == "submit"]
        self.assertEqual([submit[name] for name in ("delay_ms", "lease_ms", "ttl_ms")], [120000, 300, 5400000])

    def test_what_is_empty(self):
        self.usage("submit: QUEUE is empty; see skep help submit", "submit", "", "x")
        self.usage("submit: --key : the key is empty", "submit", "mail", "x", "--key", "")
        self.usage("submit: --key k+: the key is longer than 64 bytes", "submit", "mail", "x", "--key", "k" * 65)
        self.skep("submit", "mail", "", out="1")
        self.assertEqual(self.broker.jobs(), [b""])

    def test_no_delay(self):
        self.skep("submit", "mail", "x", "--delay", "1", "--delay", "0", out="1")
        submit, = [command for command in self.broker.taken if command["cmd"] == "submit"]
        self.assertEqual(submit.get("delay_ms", 0), 0)

    def test_a_duplicate_is_no_failure(self):
        self.broker.submitted = lambda command: [pack("accepted", number=1, id=4, duplicate=True)]
        said = "skep: submit: duplicate: job 4 had this key before"
        self.skep("submit", "mail", "x", "--key", "k", out="4", err=said)
        self.assertEqual(self.json("submit", "mail", "x", "--key", "k", err=said), {"id": 4, "status": "duplicate"})
        said += " and was done; its result is not kept"
        self.broker.submitted = lambda command: [pack("accepted", number=1, id=4, duplicate=True, ended="done")]
        self.skep("submit", "mail", "x", "--key", "k", "--wait", err=said)
        self.assertEqual(self.json("submit", "mail", "x", "--key", "k", "--wait", err=said),
                         {"id": 4, "status": "duplicate"})

    def test_a_duplicate_of_a_dead_letter_that_waits(self):
        self.broker.submitted = lambda command: [pack("accepted", number=1, id=4, duplicate=True, ended="refused")]
        said = "skep: submit: duplicate: job 4, which had this key before, is a dead letter: refused"
        self.skep("submit", "mail", "x", "--key", "k", out="4", err="skep: submit: duplicate: job 4 .* before")
        self.skep("submit", "mail", "x", "--key", "k", "--wait", code=65, err=said)
        self.assertEqual(self.json("submit", "mail", "x", "--key", "k", "--wait", code=65, err=said),
                         {"id": 4, "status": "dead", "cause": "refused", "reason": ""})

    def test_a_duplicate_that_waits_has_the_result_of_the_first(self):
        self.broker.submitted = lambda command: [pack("accepted", number=1, id=4, duplicate=True, waits=True),
                                                 pack("finished", number=1, results=[b"its result"])]
        said = "skep: submit: duplicate: this is the result of job 4, which had this key before"
        self.skep("submit", "mail", "x", "--key", "k", "--wait", out="its result", err=said)

    def test_declined(self):
        for status, code, text in ((EFULL, 75, "the queue is full"), (ETOOBIG, 65, "over a limit"),
                                   (EQUEUES, 75, "all 1024 queues are in use.*"),
                                   (ESTATE, 70, "the broker is stopping")):
            self.broker.submitted = lambda command, s=status: [pack("declined", number=1, status=s, reason="because")]
            for more in ((), ("--wait",), ("--json",)):
                self.skep("submit", "mail", "x", *more, code=code, err=f"skep: submit: mail: {text}")

    def test_a_broker_that_refuses_clients(self):
        text = "all 4096 clients that a broker can have are there, or all 1024 that a process can have"
        self.broker.answers["join"] = lambda _: pack("failed", status=ECLIENTS, reason="because")
        for command in (("submit", "mail", "x"), ("call", "1", "x", "--timeout", "10")):
            self.skep(*command, code=75, err=rf"skep: broker pid \d+ in .*: {text}")

    def test_a_dead_letter(self):
        self.broker.submitted = lambda command: [pack("accepted", number=1, id=5),
                                                 pack("died", number=1, cause="attempts", reason="no\nway")]
        said = r"skep: submit: job 5 is a dead letter: attempts: no\?way"
        self.skep("submit", "mail", "x", "--wait", code=65, err=said)
        self.assertEqual(self.json("submit", "mail", "x", "--wait", code=65, err=said),
                         {"id": 5, "status": "dead", "cause": "attempts", "reason": "no\nway"})

    def test_too_big(self):
        self.skep("submit", "mail", code=65, err="skep: submit: stdin: more than 1048576 bytes", input=b"x" * (MIB + 1))
        self.assertEqual(self.broker.jobs(), [])

    def test_the_broker_vanishes(self):
        for more in ((), ("--wait",)):
            with self.subTest(more=more), FakeBroker() as broker:
                broker.submitted = lambda command: []
                process = broker.start("submit", "mail", "x", *more)
                self.addCleanup(process.end)
                wait_until(lambda: broker.jobs(), "a job")
                broker.vanish()
                self.check(self.finish(process), 69, "",
                           rf"skep: broker pid \d+ in {re.escape(broker.folder)}: the other side is gone\n"
                           "skep: submit: it is unknown whether the job was accepted")

    def test_the_broker_vanishes_after_it_has_accepted(self):
        """The command has read that, since it asks soon whether anybody handles the queue."""
        self.broker.submitted = lambda command: [pack("accepted", number=1, id=7)]
        self.broker.answers["status"] = lambda _: self.broker.vanish()
        self.skep("submit", "mail", "x", "--wait", code=69,
                  err=self.where() + "the other side is gone\nskep: submit: the outcome of job 7 is unknown")

    def test_no_broker(self):
        self.broker.vanish()
        self.skep("submit", "mail", "x", code=69, err=f"skep: no broker in {self.broker.folder}")

    def test_no_answer(self):
        self.broker.submitted = lambda command: []
        self.skep("submit", "mail", "x", code=75, err=self.where() + "no answer in time\n"
                  "skep: submit: it is unknown whether the job was accepted")
        self.broker.answers["join"] = lambda question: None
        self.skep("submit", "mail", "x", code=75, err=self.where() + "no answer in time")

    def test_nobody_has_ever_handled_its_queue(self):
        note = "skep: submit: no worker has ever handled queue mail: its jobs wait until one does"
        for number, (facts, err) in enumerate((({"unhandled": True}, note), ({"unhandled": False}, ""), ({}, "")), 1):
            self.broker.answers["status"] = lambda _: broker_status()
            self.broker.answers["queues"] = lambda _: queue("mail", **facts) + queue("x", unhandled=True)
            self.skep("submit", "mail", "x", out=str(number), err=err)

    def test_no_answer_about_its_queue(self):
        self.broker.answers["status"] = lambda _: None
        self.skep("submit", "mail", "x", out="1")

    def test_a_reader_that_is_a_full_disk(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([program("skep"), "submit", "mail", "x", "--dir", self.broker.folder], stdout=full,
                                  stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 71)
        self.assertRegex(done.stderr, r"\Askep: stdout: .*\n\Z")

    @unittest.skipIf(os.environ.get("SKEP_TRANSPORT") == "nng", "NNG does not say why it fails")
    def test_few_descriptors(self):
        for limit in range(4, 20):  # with fewer no program is loaded
            for command in (("submit", "mail", "x"), ("call", "1", "x", "--timeout", "10")):
                done = subprocess.run(["prlimit", f"--nofile={limit}", program("skep"), *command, "--dir",
                                       self.broker.folder], capture_output=True, text=True, timeout=60)
                if done.returncode == 71:
                    self.assertRegex(done.stderr, r"\Askep: .*(out of descriptors|Too many open files)\n\Z")
                else:
                    self.assertIn(done.returncode, (0, 68), (limit, command, done.stderr))  # 68: no such worker

    def test_usage(self):
        self.usage("submit: QUEUE is missing.*", "submit")
        self.usage("submit: x: unexpected argument.*", "submit", "mail", "data", "x")
        self.usage("submit: q{65}: the name is longer than 64 bytes", "submit", "q" * 65, "x")
        self.usage("submit: give only one of DATA and --lines.*", "submit", "mail", "x", "--lines", "-")
        self.usage("submit: with --lines the key may have 43 bytes.*", "submit", "m", "--lines", "-", "--key", "k" * 44)
        for option, values in (("priority", ("-129", "128", "x", "", "--1")), ("attempts", ("0", "65536", "-1")),
                               ("delay", ("-1", "4000001", "x")), ("ttl", ("0", "nan")),
                               ("key", ("", "k" * 65)), ("lines", ("",))):
            for value in values:
                self.usage(rf"submit: --{option} {value}: .*", "submit", "mail", "x", f"--{option}", value)


class SubmitLines(Jobs):
    def lines(self, data, *arguments, **expected):
        return self.skep("submit", "mail", "--lines", "-", *arguments, input=data, **expected)

    def test_each_line_is_a_job(self):
        self.lines(b"one\n\nthree \0\xff\r\nlast", err=r"skep: submit: 4 jobs accepted, 0 declined in \d+\.\d s")
        self.assertEqual(self.broker.jobs(), [b"one", b"", b"three \0\xff\r", b"last"])
        self.lines(b"\n", err="skep: submit: 1 job accepted, 0 declined in .*")
        self.lines(b"", err="skep: submit: 0 jobs accepted, 0 declined in .*")

    def test_a_file_of_many(self):
        path = self.broker.path("many")
        wanted = [b"%d" % i * (i % 50) for i in range(100000)]
        with open(path, "wb") as file:
            file.write(b"\n".join(wanted))
        self.skep("submit", "mail", "--lines", path, err="skep: submit: 100000 jobs accepted, 0 declined in .*")
        self.assertEqual(self.broker.jobs(), wanted)

    def test_long_lines_up_to_the_limit_and_beyond_it(self):
        self.lines(b"a" * MIB + b"\n" + b"b" * (MIB + 1) + b"\nc\n" + b"d" * (3 * MIB), code=65,
                   err="skep: submit: line 2: more than 1048576 bytes\n"
                       "skep: submit: line 4: more than 1048576 bytes\n"
                       "skep: submit: 2 jobs accepted, 2 declined in .*")
        self.assertEqual(self.broker.jobs(), [b"a" * MIB, b"c"])

    def test_a_line_leaves_when_it_comes(self):
        reader, writer = os.pipe()
        process = subprocess.Popen([program("skep"), "submit", "mail", "--lines", "-", "--dir", self.broker.folder],
                                   stdin=reader, stderr=subprocess.PIPE, text=True)
        os.close(reader)
        self.addCleanup(process.kill)
        for count in (1, 2):
            os.write(writer, b"%d\nbegin" % count)
            wait_until(lambda: len(self.broker.jobs()) == count, f"{count} job(s)")
        os.close(writer)
        self.assertRegex(process.communicate(timeout=20)[1], r"\Askep: submit: 3 jobs accepted, 0 declined in .*\n\Z")
        self.assertEqual(self.broker.jobs(), [b"1", b"begin2", b"begin"])

    def test_more_waits_than_the_client_takes(self):
        """The broker holds its answers back until the client must have stopped, then lets go."""
        held, answer, go = [], self.broker.submitted, threading.Event()

        def hold(command):
            if go.is_set():
                return answer(command)
            held.append(command)
            return []
        self.broker.submitted = hold
        path = self.broker.path("many")
        with open(path, "wb") as file:
            file.write((b"x" * 1023 + b"\n") * 12000)
        process = self.start("submit", "mail", "--lines", path)
        wait_until(lambda: sum(len(command["jobs"]) for command in held) > 4000, "4 MiB of jobs")
        go.set()
        for command in list(held):
            self.broker.returns.send_to_all(b"".join(answer(command)))
        self.check(self.finish(process), 0, "", "skep: submit: 12000 jobs accepted, 0 declined in .*")

    def test_results_in_order_of_completion(self):
        def backwards(command):
            numbers = range(command["number"], command["number"] + len(command["jobs"]))
            return [pack("accepted", number=numbers[0], n=len(numbers), id=10)] + \
                   [pack("finished", number=n, results=[b"r%d" % n]) for n in reversed(numbers)]
        self.broker.submitted = backwards
        self.lines(b"a\nb\nc\n", "--wait", out="r3\nr2\nr1",
                   err="skep: submit: 3 jobs accepted, 0 declined, 3 done in .*")
        self.lines(b"a\nb\n", "--wait", "--json",
                   out='{"id":11,"line":2,"status":"done","result":"r2"}\n'
                       '{"id":10,"line":1,"status":"done","result":"r1"}',
                   err="skep: submit: 2 jobs accepted, 0 declined, 2 done in .*")

    def test_the_summary_for_programs(self):
        done = self.broker.skep("submit", "mail", "--lines", "-", "--json", input=b"a\nb\n")
        summary = json.loads(done.output("out"))
        self.assertGreaterEqual(summary.pop("seconds"), 0)
        self.assertEqual(summary, {"accepted": 2, "duplicates": 0, "declined": 0, "unknown": 0})

    def test_the_worst_decides(self):
        def each(statuses):
            def answer(command):
                return [pack("accepted", number=n, id=n) if status == 0 else
                        pack("accepted", number=n, id=1, duplicate=True) if status == "again" else
                        pack("died", number=n, cause="refused") if status == "dead" else
                        pack("declined", number=n, status=status, reason="because")
                        for n, status in enumerate(statuses, 1)]
            return answer
        for statuses, code, summary in (((0, "again"), 0, r"1 job accepted, 0 declined \(1 duplicate\)"),
                                        ((0, EFULL, "again"), 75, r"1 job accepted, 1 declined \(1 duplicate\)"),
                                        ((ETOOBIG, EFULL), 65, "0 jobs accepted, 2 declined"),
                                        ((EFULL, ETOOBIG), 65, "0 jobs accepted, 2 declined")):
            self.broker.submitted = each(statuses)
            self.lines(b"x\n" * len(statuses), code=code,
                       err=rf"(skep: submit: line \d: mail: .*\n)*skep: submit: {summary} in .*")

    def test_dead_letters_are_named_then_counted(self):
        self.broker.submitted = lambda command: [pack("accepted", number=1, n=12, id=1)] + \
                                                [pack("died", number=n, cause="refused") for n in range(1, 13)]
        done = self.broker.skep("submit", "mail", "--lines", "-", "--wait", input=b"x\n" * 12)
        said = done.output("err").split("\n")
        self.assertEqual((done.code, len(said)), (65, 11), done.describe())
        self.assertEqual(said[9], "skep: submit: line 10: job 10 is a dead letter: refused")
        self.assertRegex(said[10], "12 jobs accepted, 0 declined, 0 done, 12 dead letters in ")

    def test_each_line_has_a_key_of_its_own(self):
        self.lines(b"a\nb\n", "--key", "import", err=".*")
        keys = [key for command in self.broker.taken if command["cmd"] == "submit" for key in command["keys"]]
        self.assertEqual(keys, [b"import:1", b"import:2"])

    def test_a_signal_ends_it_and_what_is_known_is_said(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=number), FakeBroker() as broker:
                broker.submitted = lambda command: [pack("accepted", number=command["number"], id=1)]
                path = broker.path("lines")
                os.mkfifo(path)
                process = broker.start("submit", "mail", "--lines", path)
                self.addCleanup(process.end)
                with open(path, "wb") as pipe:
                    pipe.write(b"a\nb\nc\n")
                    pipe.flush()
                    wait_until(lambda: len(broker.jobs()) == 3, "three jobs")
                    broker.returns.connected.wait(10)
                    process.popen.send_signal(number)
                    self.finish(process)
                self.assertEqual(process.code, 128 + number, process.describe())
                self.assertRegex(process.output("err"), r"\Askep: submit: interrupted: [01] jobs? accepted, "
                                                        r"0 declined, [23] unknown in .*\Z")

    def test_the_broker_vanishes(self):
        self.broker.submitted = lambda command: [pack("accepted", number=command["number"], id=1)]
        path = self.broker.path("lines")
        os.mkfifo(path)
        process = self.start("submit", "mail", "--lines", path)
        with open(path, "wb") as pipe:
            pipe.write(b"a\nb\n")
            pipe.flush()
            wait_until(lambda: len(self.broker.jobs()) == 2, "two jobs")
            self.broker.vanish()
            self.check(self.finish(process), 69, "", self.where() + r"the other side is gone\n"
                       r"skep: submit: [01] jobs? accepted, 0 declined, [12] unknown in .*")

    def test_the_broker_vanishes_while_results_are_waited_for(self):
        self.broker.submitted = lambda command: [pack("accepted", number=1, n=2, id=1)]
        self.broker.answers["status"] = lambda _: self.broker.vanish()
        self.lines(b"a\nb\n", "--wait", code=69, err=self.where() + r"the other side is gone\n"
                   "skep: submit: 2 jobs accepted, 0 declined, 0 done, 2 unknown in .*")

    def test_the_broker_vanishes_when_nothing_waits_for_it(self):
        path = self.broker.path("lines")
        os.mkfifo(path)
        process = self.start("submit", "mail", "--lines", path, "--wait")
        with open(path, "wb") as pipe:
            pipe.write(b"a\n")
            pipe.flush()
            process.wait_line("^A$", stream="out")
            self.broker.vanish()
            self.check(self.finish(process), 69, "A", self.where() + r"the other side is gone\n"
                       "skep: submit: 1 job accepted, 0 declined, 1 done in .*")

    def test_files_that_cannot_be_read(self):
        for path, why in ((self.broker.path("none"), "No such file or directory"), ("/", "Is a directory")):
            self.skep("submit", "mail", "--lines", path, code=66, err=f"skep: submit: {path}: {why}")
        self.assertEqual(self.broker.asked, [])

    def test_progress_on_a_terminal(self):
        reader, writer = os.pipe()
        master, slave = pty.openpty()
        process = subprocess.Popen([program("skep"), "submit", "mail", "--lines", "-", "--dir", self.broker.folder],
                                   stdin=reader, stderr=slave)
        self.addCleanup(process.kill)
        os.close(reader)
        os.close(slave)
        os.write(writer, b"x\n" * 1234)
        shown = b""
        while not re.search(rb"\rsubmitted 1,234  accepted 1,234  [\d,]+/s", shown):
            shown += os.read(master, 65536)
        os.close(writer)
        with self.assertRaises(OSError):
            while True:
                shown += os.read(master, 65536)
        os.close(master)
        self.assertEqual(process.wait(20), 0)
        self.assertRegex(shown.decode(), r"/s *\r *\rskep: submit: 1234 jobs accepted, 0 declined in .*\r\n\Z")
        self.assertNotIn("\n", shown.decode()[:-2])


class Asking(Jobs):
    """What every question may come upon."""

    COMMANDS = (("queues",), ("peek", "mail"), ("dead", "list"), ("dead", "retry", "mail"), ("dead", "drop", "--all"))
    QUESTIONS = ("queues", "peek", "deadLetters", "reviveDead", "dropDead")

    def answer(self, make):
        for question in self.QUESTIONS:
            self.broker.answers[question] = make

    def test_malformed_answers(self):
        whole = queue("mail")
        for body in (b"\xc1", whole[:-1], b"\xdd\xff\xff\xff\xff", whole + b"\x01",
                     pack("queueStatus", name="mail"), pack("jobStatus", id="one"), pack("changed", n=-1)):
            self.answer(lambda question, body=body: body)
            for command in self.COMMANDS:
                self.skep(*command, code=76, err=self.where() + "malformed or unexpected data")

    def test_an_answer_without_what_was_asked_for(self):
        self.answer(lambda question: pack("done"))
        for verb in ("retry", "drop"):
            self.skep("dead", verb, "mail", code=76, err=self.where() + "malformed or unexpected data")

    def test_failed_answers(self):
        self.answer(lambda question: pack("failed", status=ENOQUEUE, reason="no queue \x1b[1m"))
        for command in self.COMMANDS:
            self.skep(*command, code=68, err=r"skep: .*: no queue \?\[1m")

    def test_no_answer(self):
        self.answer(lambda question: None)
        processes = [self.start(*command) for command in self.COMMANDS]
        for process in processes:
            self.check(self.finish(process), 75, "", self.where() + "no answer in time")

    def test_the_broker_vanishes(self):
        for command in self.COMMANDS:
            with FakeBroker() as broker:
                for question in self.QUESTIONS:
                    broker.answers[question] = lambda question: broker.vanish()
                process = broker.start(*command)
                self.addCleanup(process.end)
                self.check(self.finish(process), 69, "", "skep: broker pid .*: the other side is gone")

    def test_no_broker(self):
        self.broker.vanish()
        for command in (*self.COMMANDS, ("send", "1", "x"), ("call", "1", "x")):
            self.skep(*command, code=69, err=f"skep: no broker in {self.broker.folder}")


class Queues(Jobs):
    def test_for_programs(self):
        names = ("ready", "reserved", "delayed", "dead", "done", "redelivered", "workers", "submitted", "duplicates",
                 "declined", "refused", "unclaimed", "bytes", "taken_back", "interrupted", "attempts", "credit")
        values = {name: number for number, name in enumerate(names, 1)}
        self.broker.answers["queues"] = lambda question: (
            queue("mail", **values, oldest_ms=1500, lease_ms=2500, concurrency=9, backoff_ms=100, backoff_max_ms=700) +
            queue("b"))
        found = self.json("queues")["queues"]
        self.assertEqual(found[0], {"name": "mail", **values, "oldest_s": 1.5, "paused": False, "lease_s": 2.5, "configured": False,
                                    "concurrency": 9, "backoff_s": 0.1, "backoff_max_s": 0.7, "interruptions": None})
        self.assertEqual([one["name"] for one in found], ["mail", "b"])
        self.assertEqual(self.broker.asked, [{"cmd": "queues"}])

    def test_rates_are_made_of_two_questions(self):
        def answer(_):
            asked = len(self.broker.asked)
            return queue("mail", workers=1, submitted=1000000 * asked, done=5000, ready=3)
        self.broker.answers["queues"] = answer
        done = self.broker.skep("queues")
        titles, row = [line.split() for line in done.output("out").split("\n")]
        found = dict(zip(titles, row))
        self.assertEqual((found["QUEUE"], found["WORKERS"], found["READY"], found["DONE"]), ("mail", "1", "3", "5000"))
        self.assertGreater(int(found["IN/S"]), 0)
        self.assertLessEqual(int(found["IN/S"]), 4000000)
        self.assertEqual(found["DONE/S"], "0")
        self.assertEqual(len(self.broker.asked), 2)

    def test_a_queue_that_nobody_handles_is_pointed_out(self):
        self.broker.answers["queues"] = lambda question: (
            queue("a", ready=2, delayed=1) + queue("b", ready=1, workers=1) + queue("c", dead=1) +
            queue("d\x1b", delayed=1))
        lines = self.broker.skep("queues").output("out").split("\n")
        self.assertEqual(lines[5:], ["a: 3 jobs, and no worker handles it", "d?: 1 job, and no worker handles it"])

    def test_settings_stand_below_a_queue_that_has_some(self):
        self.broker.answers["queues"] = lambda question: (
            queue("a", lease_ms=60000, attempts=5, credit=9) +
            queue("b", configured=True, lease_ms=1500, attempts=5, credit=9) +
            queue("c", configured=True, lease_ms=60000, attempts=3, credit=7, concurrency=2, backoff_ms=50,
                  backoff_max_ms=300000, interruptions=4))
        lines = self.broker.skep("queues").output("out").split("\n")
        self.assertEqual([line.split()[0] for line in lines], ["QUEUE", "a", "b", "lease", "c", "lease"])
        self.assertEqual(lines[3], "  lease 1.5s, attempts 5, credit 9")
        self.assertEqual(lines[5], "  lease 60s, attempts 3, concurrency 2, credit 7, backoff 0.05s..300s, interruptions 4")

    def test_none(self):
        for answer in (b"", pack("done")):
            self.broker.answers["queues"] = lambda question, answer=answer: answer
            self.skep("queues", out="no queues")
            self.assertEqual(self.json("queues"), {"queues": []})

    def test_usage(self):
        self.usage("queues: mail: unexpected argument; see skep help queues", "queues", "mail")


class Peek(Jobs):
    def test_for_programs(self):
        self.broker.answers["peek"] = lambda question: (
            job(1, priority=0, data="ä\0".encode(), size=3) +
            job(2, state="reserved", worker=3, due_ms=1500, priority=255, data=b"\xff", size=1, attempt=2, deaths=1,
                interruptions=4) +
            job(3, data="xä".encode()[:-1], size=100))
        first, second, third = self.json("peek", "mail")["jobs"]
        self.assertEqual(first, {"id": 1, "queue": "mail", "state": "ready", "priority": -128, "attempt": 1,
                                 "deaths": 0, "interruptions": 0, "age_s": 1.0, "size": 3, "data": "ä\0"})
        self.assertEqual(second, {"id": 2, "queue": "mail", "state": "reserved", "priority": 127, "attempt": 2,
                                  "deaths": 1, "interruptions": 4, "age_s": 1.0, "due_s": 1.5, "worker": 3, "size": 1,
                                  "data_hex": "ff"})
        self.assertEqual(third["data"], "x")  # half a character at the end of what is shown
        self.assertEqual(self.broker.asked, [{"cmd": "peek", "queue": "mail"}])

    def test_for_people(self):
        self.broker.answers["peek"] = lambda question: (
            job(1, data=b"\x1b[31mred\n\x00" + b"x" * 100, size=110) + job(2, data=b"\xfe\xff"))
        done = self.broker.skep("peek", "mail", "-n", "500")
        titles, first, second = done.output("out").split("\n")
        self.assertTrue(titles.endswith("SIZE  DATA"), titles)
        self.assertRegex(first, r"110  \?\[31mred\?\?x+\.\.\.\Z")
        self.assertLess(len(first), 130)
        self.assertRegex(second, r"2  feff\Z")
        self.assertEqual(self.broker.asked[0]["n"], 500)

    def test_none(self):
        self.broker.answers["peek"] = lambda question: b""
        self.skep("peek", "mail", out="no jobs")
        self.assertEqual(self.json("peek", "mail"), {"jobs": []})

    def test_usage(self):
        self.usage("peek: QUEUE is missing; see skep help peek", "peek")
        self.usage("peek: QUEUE is empty; see skep help peek", "peek", "")
        for value in ("0", "501", "x"):
            self.usage(f"peek: -n {value}: expected a number from 1 to 500", "peek", "mail", "-n", value)


class Dead(Jobs):
    LETTER = {"state": "dead", "cause": "deaths", "reason": "no way", "worker": 3, "pid": 4711, "signal": 11,
              "attempt": 3, "deaths": 3, "uptime_ms": 2500, "died": 1000}

    def pages(self, count, page=100):
        """Answers like a broker that has so many dead letters, the ids falling, and gives a page at a time."""
        ids = list(range(count, 0, -1))

        def answer(question):
            begin = ids.index(question["after"]) + 1 if "after" in question else 0
            return b"".join(job(number, **self.LETTER) for number in ids[begin:begin + min(page, question["n"])])
        self.broker.answers["deadLetters"] = answer
        return ids

    def test_all_pages(self):
        ids = self.pages(230, page=70)
        found = self.json("dead", "list", "-n", "10000")["dead"]
        self.assertEqual([letter["id"] for letter in found], ids)
        self.assertEqual([question.get("after") for question in self.broker.asked], [None, 161, 91, 21, 1])

    def test_no_more_than_wanted(self):
        ids = self.pages(300)
        self.assertEqual([letter["id"] for letter in self.json("dead", "list", "-n", "130")["dead"]], ids[:130])
        self.assertEqual([question["n"] for question in self.broker.asked], [100, 30])
        self.assertEqual(len(self.json("dead", "list")["dead"]), 100)

    def test_a_broker_that_does_not_get_on(self):
        self.broker.answers["deadLetters"] = lambda question: job(7, **self.LETTER)
        self.skep("dead", "list", code=76, err=self.where() + "malformed or unexpected data")
        self.broker.answers["deadLetters"] = lambda question: job(1, **self.LETTER) * 101
        self.skep("dead", "list", code=76, err=self.where() + "malformed or unexpected data")

    def test_what_is_told(self):
        self.pages(1)
        self.assertEqual(self.json("dead", "list", "mail")["dead"][0],
                         {"id": 1, "queue": "mail", "state": "dead", "priority": 0, "attempt": 3, "deaths": 3,
                          "interruptions": 0, "age_s": 1.0, "worker": 3, "size": 2, "data": "hi", "cause": "deaths", "reason": "no way",
                          "pid": 4711, "signal": "SIGSEGV", "uptime_s": 2.5, "died": "1970-01-01T00:00:01.000Z"})
        self.assertEqual(self.broker.asked[0]["queue"], "mail")
        titles, row = self.broker.skep("dead", "list").output("out").split("\n")
        self.assertIn("LAST WORKER", titles)
        self.assertRegex(row, r"1  mail   deaths +3 +3 +1s  1970-01-01T00:00:01.000Z  3 pid 4711 SIGSEGV  no way  .* hi\Z")

    def test_none(self):
        self.broker.answers["deadLetters"] = lambda question: b""
        self.skep("dead", "list", out="no dead letters")

    def test_retry_and_drop(self):
        for verb, cmd, word in (("retry", "reviveDead", "put back"), ("drop", "dropDead", "dropped")):
            for arguments, fields in ((("mail",), {"queue": "mail"}), (("17",), {"id": 17}), (("--all",), {}),
                                      (("--queue", "17"), {"queue": "17"}), (("1a",), {"queue": "1a"})):
                self.broker.asked.clear()
                self.broker.answers[cmd] = lambda question: pack("changed", n=3)
                self.skep("dead", verb, *arguments, out=f"3 dead letters {word}")
                self.assertEqual(self.broker.asked, [{"cmd": cmd, **fields}])
            self.assertEqual(self.json("dead", verb, "mail"), {"changed": 3})
            self.broker.answers[cmd] = lambda question: pack("changed", n=0)
            self.skep("dead", verb, "mail", out=f"0 dead letters {word}")
            self.skep("dead", verb, "17", code=68, err=f"skep: dead {verb}: 17: no such dead letter")

    def test_usage(self):
        self.usage("dead: list, retry or drop is missing.*", "dead")
        self.usage("dead: bury: expected list, retry or drop.*", "dead", "bury")
        self.usage("dead list: --all is only for retry and drop.*", "dead", "list", "--all")
        self.usage("dead drop: --count is only for list.*", "dead", "drop", "mail", "-n", "3")
        self.usage("dead drop: QUEUE, ID, --queue QUEUE or --all is missing.*", "dead", "drop")
        self.usage("dead retry: give only one of .*", "dead", "retry", "mail", "--all")
        self.usage("dead retry: give only one of .*", "dead", "retry", "--queue", "1", "2")
        self.usage("dead retry: 0: not a job id", "dead", "retry", "0")
        self.usage("dead retry: 9{20}: not a job id", "dead", "retry", "9" * 20)
        self.usage("dead: QUEUE is empty; see skep help dead", "dead", "list", "")
        self.usage("dead: -n 10001: expected a number from 1 to 10000", "dead", "list", "-n", "10001")


class Send(Jobs):
    def sent(self):
        """The messages that were no question to find out whether they had been passed on."""
        return [command for command in self.broker.taken if command["cmd"] == "message" and "request" not in command]

    def test_to_whom_and_what(self):
        self.skep("send", "7", "reload", '{"a": [1, -2, 1.5, "ä", true, null], "b": {}}')
        self.skep("send", "mailer", "reload")
        self.skep("send", "all", "reload", "3")
        self.skep("send", "7", "text", "--raw", "as it is")
        first, second, third, fourth = self.sent()
        self.assertEqual((first["to"], first["name"], msgpack.unpackb(first["data"])),
                         (7, "reload", {"a": [1, -2, 1.5, "ä", True, None], "b": {}}))
        self.assertEqual((second["toName"], second.get("data", b"")), ("mailer", b""))
        self.assertEqual((third["toAll"], third["data"]), (True, b"\x03"))
        self.assertEqual(fourth["data"], b"as it is")

    def test_what_cannot_be_passed_on(self):
        def message(command):
            answer = [pack("undelivered", name=command["name"], to=7, status=status)] if command["to"] == 7 else []
            return answer + FakeBroker.message(self.broker, command)
        self.broker.message = message
        for status, code, text in ((ENOWORKER, 68, "no worker 7"), (ENOHANDLER, 69, "7 reload: no handler for that")):
            self.skep("send", "7", "reload", code=code, err=f"skep: send: {text}")

    def test_the_broker_vanishes(self):
        self.broker.message = lambda command: self.broker.vanish()
        self.skep("send", "7", "reload", code=69, err=self.where() + ".*")

    def test_usage(self):
        self.usage("send: WORKER is missing; see skep help send", "send")
        self.usage("send: CMD is missing; see skep help send", "send", "7")
        self.usage("send: CMD is empty; see skep help send", "send", "7", "")
        self.usage("send: 99999999999: not a worker id", "send", "99999999999", "x")
        self.usage("send: w{65}: the name is longer than 64 bytes", "send", "w" * 65, "x")
        for text, place in (("{a", r"line 1 column 2: .*"), ("", r"line 1 column 0: .*"),
                            ("[1,\n2 3]", "line 2 column 3: .*"), ("1 2", ".*"), ('"ä', ".*"),
                            ("9" * 20, ".*too big.*")):
            self.usage(f"send: JSON: {place}", "send", "7", "x", text)


class Call(Jobs):
    def reply(self, **fields):
        self.broker.message = lambda command: [pack("reply", request=command["request"], **fields)]

    def asked(self):
        return [command for command in self.broker.taken if command["cmd"] == "message"]

    def test_the_reply_is_printed_as_json(self):
        numbers = list(range(300))
        for value, text in (({"n": 1, "t": "ä\0"}, '{"n":1,"t":"ä\\u0000"}'), ([], "[]"), (-129, "-129"),
                            (None, "null"), ("x" * 70000, f'"{"x" * 70000}"'), (numbers, str(numbers).replace(" ", "")),
                            (2**63 - 1, "9223372036854775807"), (1.5, "1.5"), (b"\x00\xff", '"00ff"'),
                            ({1: [True, False]}, '{"1":[true,false]}'), (float("inf"), "null"),
                            (msgpack.ExtType(5, b"\x01"), '{"ext":5,"data_hex":"01"}')):
            self.reply(data=msgpack.packb(value))
            self.skep("call", "7", "get", out=text)
        asked = self.asked()[0]
        self.assertEqual((asked["to"], asked["name"]), (7, "get"))

    def test_what_is_no_messagepack_is_printed_as_it_is(self):
        for data in (b"plain text", b"\x93\x01", b"\x01\x02", b"\xdd\x7f\xff\xff\xff", b"\x91" * 5000 + b"\x01"):
            self.reply(data=data)
            done = self.broker.skep("call", "7", "get")
            self.assertEqual((done.code, done.output("out")), (0, data.decode(errors="replace")))
        self.reply()
        self.skep("call", "mailer", "get", out="")

    def test_raw(self):
        self.reply(data=b"\x03")
        done = subprocess.run([program("skep"), "call", "7", "get", "--raw", "{", "--dir", self.broker.folder],
                              capture_output=True)
        self.assertEqual((done.returncode, done.stdout), (0, b"\x03"), done.stderr)
        self.assertEqual(self.asked()[0]["data"], b"{")

    def test_no_reply(self):
        for status, code, text in ((ENOWORKER, 68, "no worker a"), (ENOHANDLER, 69, "a get: no handler for that")):
            self.reply(status=status)
            self.skep("call", "a", "get", code=code, err=f"skep: call: {text}")
        self.broker.message = lambda command: []
        self.skep("call", "7", "get", "--timeout", "0.2", code=75, err="skep: call: 7 get: no answer in time")

    def test_the_broker_vanishes(self):
        self.broker.message = lambda command: self.broker.vanish()
        self.skep("call", "7", "get", code=69, err=self.where() + ".*")

    def test_usage(self):
        self.usage("call: all: only one worker can reply", "call", "all", "x")
        self.usage("call: --timeout 0: expected a time.*", "call", "7", "x", "--timeout", "0")


class RunOptions(Jobs):
    def test_values(self):
        for option, values in (("lease", ("0", "0.05", "86401")), ("attempts", ("0", "65536")), ("deaths", ("0", "x")),
                               ("dedup", ("0", "x")), ("queue-jobs", ("0", "-1", "1K")), ("job-credit", ("0", "65536")),
                               ("queue-bytes", ("0", "K", "1T", "1KB", "-1", "99999999999999999999", "20000000000G")),
                               ("jobs-bytes", ("", "1.5G"))):
            for value in values:
                self.usage(f"run: --{option} {value}: expected .*", "run", f"--{option}", value, "--", "/bin/true")


if __name__ == "__main__":
    unittest.main()
