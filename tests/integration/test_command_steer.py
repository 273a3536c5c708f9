#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""skep scale, reload, restart, drain, kill, signal, pause and resume against a broker that does as it is told: what they
ask and print, how long they wait, the exit statuses, and a broker that stops or vanishes meanwhile."""
import os
import pty
import re
import select
import signal
import subprocess
import unittest

from fake_broker import FakeHive, pack, queue
from hive import DEADLINE_S, Process, program, run, wait_until

ENOMEM, ENOWORKER, ESTATE, ENOQUEUE, ENOLISTENER, EUNDERWAY = 3, 18, 23, 25, 29, 30
ESCAPE = "\x1b[2J"


def failed(status, reason):
    return lambda _: pack("failed", status=status, reason=reason)


def done(_):
    return pack("done")


class Terminal:
    """A process whose stdout and stderr are a terminal."""

    def __init__(self, *argv):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave)
        os.close(slave)
        self.shown = b""

    def until(self, mark):
        """All that was shown, once the mark and the rest of its line are there."""
        while mark not in self.shown or not self.shown.endswith(b"\n"):
            if not select.select([self.master], [], [], DEADLINE_S)[0]:
                raise AssertionError(f"still waiting for {mark} after {self.shown}")
            self.shown += os.read(self.master, 4096)
        return self.shown

    def end(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


class Steering(unittest.TestCase):
    ready = (1, 2)

    def setUp(self):
        self.broker = FakeHive(*self.ready)
        self.addCleanup(self.broker.__exit__)

    def start(self, name, *arguments, cwd=None):
        argv = [program("skep"), name, "--dir", self.broker.folder, *map(str, arguments)]
        process = Process(argv, cwd=cwd)
        self.addCleanup(process.end)
        return process

    def on_a_terminal(self, name, *arguments):
        terminal = Terminal(program("skep"), name, "--dir", self.broker.folder, *arguments)
        self.addCleanup(terminal.end)
        return terminal

    def finish(self, process, code=0, out="", err=""):
        self.assertEqual(process.wait_exit(), code, process.describe())
        self.assertRegex(process.output("out"), rf"\A{out}\Z", process.describe())
        self.assertRegex(process.output("err"), rf"\A{err}\Z", process.describe())

    def skep(self, *arguments, **expected):
        self.finish(self.start(*arguments), **expected)

    def usage(self, pattern, *arguments):
        """Wrong usage: the broker is not even looked for."""
        process = run("skep", arguments[0], "--dir", "/nonexistent", *arguments[1:])
        self.finish(process, 64, "", f"skep: {pattern}")

    def asked(self, command):
        """The questions of that name, without it."""
        return [{key: value for key, value in one.items() if key != "cmd"}
                for one in self.broker.asked if one["cmd"] == command]

    def wait_looks(self, process, count):
        """It has asked for the status so many times more, and goes on."""
        seen = len(self.asked("status"))
        wait_until(lambda: len(self.asked("status")) >= seen + count or process.poll() is not None, "more looks")
        self.assertIsNone(process.poll())

    @property
    def where(self):
        return rf"broker pid {os.getpid()} in {re.escape(self.broker.folder)}"


class Scale(Steering):
    def answer(self, before, after, **workers):
        def scaled(_):
            self.broker.about["wanted"] = after
            return pack("scaled", **{"from": before, "to": after})
        self.broker.answers["scale"] = scaled

    def test_it_waits_until_the_new_ones_are_ready(self):
        self.answer(2, 4)
        process = self.start("scale", "+2")
        self.assertEqual(self.broker.wait_asked("scale"), {"cmd": "scale", "more": 2})
        process.wait_line("2 -> 4 workers")
        self.broker.workers.update({3: {"state": "spawning"}, 4: {"state": "online"}})
        self.broker.tell("fork", worker=3, pid=1003)
        self.wait_looks(process.popen, 2)
        self.broker.workers.update({3: {}, 4: {}})
        self.broker.tell("ready", worker=4, pid=1004)
        self.finish(process, 0, "2 -> 4 workers\n4 workers ready")

    def test_it_waits_until_those_that_leave_have_left(self):
        self.answer(2, 1)
        process = self.start("scale", "-1")
        self.assertEqual(self.broker.wait_asked("scale"), {"cmd": "scale", "fewer": 1})
        self.broker.workers[2] = {"state": "draining"}
        self.broker.tell("drain", worker=2, pid=1002)
        self.wait_looks(process.popen, 2)
        del self.broker.workers[2]
        self.broker.tell("exit", worker=2, pid=1002, code=0, reason="voluntary")
        self.finish(process, 0, "2 -> 1 workers\n1 worker ready")

    def test_to_none_and_by_number(self):
        self.answer(2, 0)
        self.broker.workers.clear()
        self.skep("scale", "0", out="2 -> 0 workers\n0 workers ready")
        self.assertEqual(self.asked("scale"), [{"workers": 0}])

    def test_without_waiting(self):
        self.answer(2, 1000)
        self.skep("scale", "1000", "--no-wait", out="2 -> 1000 workers")
        self.assertEqual((self.asked("scale"), self.asked("status")), ([{"workers": 1000}], []))

    def test_options_may_stand_around_a_negative_number(self):
        self.answer(2, 1)
        for arguments in (("-1", "--no-wait"), ("--no-wait", "-1"), ("--no-wait", "--", "-1")):
            self.skep("scale", *arguments, out="2 -> 1 workers")
        self.assertEqual(self.asked("scale"), 3 * [{"fewer": 1}])

    def test_starts_that_fail_are_told_until_the_breaker_opens(self):
        self.answer(2, 3)
        process = self.start("scale", "3")
        self.broker.wait_asked("scale")
        self.broker.tell("exit", worker=2, pid=1002, code=0, reason="voluntary")
        self.broker.tell("exit", worker=3, pid=1003, code=3, reason="crashed", delay_ms=100)
        self.broker.tell("breaker", phase="opened", reason=f"12 quick failures in 3 s{ESCAPE}")
        self.finish(process, 70, "2 -> 3 workers",
                    r"skep: scale: worker 3 pid 1003: exited with status 3 \(crashed\), replacement in 100 ms\n"
                    r"skep: scale: no more workers are started: 12 quick failures in 3 s\?\[2J")

    def test_the_news_that_led_to_a_status_come_first(self):
        def scaled(_):
            self.broker.about.update(newsSeq=1, breaker_ms=5000)
            return pack("scaled", **{"from": 2, "to": 3})
        since = self.broker.answers["newsSince"]
        self.broker.answers.update(scale=scaled, newsSince=lambda _: pack("newsEnd", seq=0))
        process = self.start("scale", "3")
        self.broker.wait_asked("scale")
        self.wait_looks(process.popen, 3)
        self.broker.answers["newsSince"] = since
        self.broker.tell("breaker", phase="opened", reason="this is why")
        self.finish(process, 70, "2 -> 3 workers", "skep: scale: no more workers are started: this is why")

    def test_a_breaker_that_was_open_before(self):
        self.answer(2, 3)
        self.broker.about["breaker_ms"] = 5000
        self.skep("scale", "3", code=70, out="2 -> 3 workers",
                  err="skep: scale: no more workers are started, because too many failed; see skep exits")

    def test_usage(self):
        self.usage("scale: N, [+]N or -N is empty; see skep help scale", "scale", "")
        for value in ("+", "-", "x", "1.5", "1001", "+1001", "-1001", "+-2", "0x2", "99999999999999999999"):
            self.usage(f"scale: {re.escape(value)}: expected N, [+]N or -N, at most 1000", "scale", value)
        self.usage("scale: --2: unknown option; see skep help scale", "scale", "--2")
        self.usage(r"scale: N, \+N or -N is missing; see skep help scale", "scale")
        self.usage("scale: -2: unexpected argument; see skep help scale", "scale", "1", "-2")

    def test_another_answer(self):
        self.broker.answers["scale"] = done
        self.skep("scale", "3", code=76, err="skep: scale: unexpected answer from the broker")

    def test_refused(self):
        self.broker.answers["scale"] = failed(EUNDERWAY, "a reload is under way")
        self.skep("scale", "3", code=75, err="skep: scale: a reload is under way")


class Reload(Steering):
    ready = (3, 4)

    def begin(self, name, *arguments, **more):
        self.broker.answers["reload"] = self.broker.answers["restartWorker"] = done
        process = self.start(name, *arguments, **more)
        self.broker.wait_asked("reload" if name == "reload" else "restartWorker")
        return process

    def reloaded(self, phase, step, **fields):
        self.broker.tell("reload", phase=phase, step=step, steps=2, **fields)

    def test_each_step_is_a_line(self):
        self.reloaded("done", 2)
        process = self.begin("reload")
        self.reloaded("aborted", 1, reason="an earlier one")
        self.reloaded("begun", 0)
        self.reloaded("step", 1, worker=5, reason="worker 5 replaces 3")
        process.wait_line("worker 5 replaces 3")
        self.assertIsNone(process.popen.poll())
        self.reloaded("step", 2, worker=6)
        self.reloaded("done", 2)
        self.finish(process, 0, r"worker 5 replaces 3 \(1 of 2\)\nworker 6 is ready \(2 of 2\)\n2 workers replaced")
        self.assertEqual(self.asked("reload"), [{}])

    def begin_numbered(self, number, *meanwhile):
        """Its request gets this number; phases of others, by number, are told before the answer."""
        def answer(_):
            for phase, other in meanwhile:
                self.reloaded(phase, 0, request=other)
            return pack("done", request=number)
        self.broker.answers["reload"] = answer
        process = self.start("reload")
        self.broker.wait_asked("reload")
        return process

    def test_events_of_other_requests(self):
        """Another one asks at the same time, and is replaced by this one."""
        process = self.begin_numbered(8, ("pending", 7), ("replaced", 7), ("pending", 8))
        process.wait_line(r"^a reload is under way \(0 of 2\); this one follows", stream="out")
        for phase in ("begun", "step", "done", "aborted"):
            self.reloaded(phase, 1, request=6, reason="an earlier one")
        self.reloaded("begun", 0, request=8)
        self.reloaded("replaced", 0, request=9)
        self.reloaded("step", 1, request=8, reason="worker 5 replaces 3")
        self.reloaded("done", 2, request=8)
        self.finish(process, 0, r"a reload is under way \(0 of 2\); this one follows\nworker 5 replaces 3 \(1 of 2\)\n"
                    "2 workers replaced")

    def test_events_of_several_requests(self):
        """Of request 8, or not."""
        for first, count, own in ((6, 3, True), (8, 1, True), (8, 2, True), (9, 2, False), (6, 2, False)):
            with self.subTest(first=first, count=count):
                self.broker.asked.clear()
                process = self.begin_numbered(8)
                self.reloaded("done", 2, request=first, requests=count)
                self.reloaded("replaced", 0, request=8, reason="by a later reload")
                if own:
                    self.finish(process, 0, "2 workers replaced")
                else:
                    self.finish(process, 70, "", "skep: reload: replaced by a later reload")

    def test_aborted(self):
        process = self.begin("reload", "--program", "x")
        self.reloaded("begun", 0)
        self.reloaded("aborted", 0, worker=9, reason=f"worker 9 exited with status 3 before it was ready{ESCAPE}")
        self.finish(process, 70, "", "skep: reload: aborted: worker 9 exited with status 3 before it was ready"
                    r"\?\[2J; the old workers continue; skep logs 9 shows what it wrote")

    def test_what_it_asks(self):
        for arguments, asked in ((("--program", "./hello", "--at-once", "4"),
                                  {"program": "/tmp/./hello", "atOnce": 4}),
                                 (("--program", "/bin/hello", "--"), {"program": "/bin/hello", "args": []}),
                                 (("--program", "hello", "--", "-n", "a b"), {"program": "hello", "args": [b"-n", b"a b"]})):
            self.broker.asked.clear()
            process = self.begin("reload", "--no-wait", *arguments, cwd="/tmp")
            self.finish(process)
            self.assertEqual(self.asked("reload"), [asked])

    def test_a_second_one(self):
        self.broker.answers["reload"] = failed(EUNDERWAY, "a reload is under way")
        self.skep("reload", code=75, err="skep: reload: a reload is under way")

    def test_usage(self):
        self.usage("reload: y: unexpected argument; arguments of the workers follow --", "reload", "x", "y", "--", "z")
        self.usage("reload: y: unexpected argument; arguments of the workers follow --", "reload", "--no-wait", "x", "y")
        for value in ("0", "1001", "x"):
            self.usage(f"reload: --at-once {value}: expected a number from 1 to 1000", "reload", "--at-once", value)
        self.usage("reload: --program : the program is empty", "reload", "--program", "")
        self.usage("reload: --program x+", "reload", "--program", "x" * 4096)
        self.usage("reload: an argument is longer than 4095 bytes", "reload", "--", "x" * 4096)

    def test_on_a_terminal_one_line_is_written_again(self):
        self.broker.answers["reload"] = done
        terminal = self.on_a_terminal("reload")
        self.broker.wait_asked("reload")
        self.reloaded("begun", 0)
        self.reloaded("step", 1, worker=5, reason="worker 5 replaces 3")
        self.reloaded("step", 2, worker=6, reason=ESCAPE + "x" * 200)
        self.reloaded("done", 2)
        self.assertEqual(terminal.until(b"replaced"), b"worker 5 replaces 3 (1 of 2)\r\x1b[K" + b"?[2J" + 75 * b"x"
                         + b"\r\x1b[K" + b"2 workers replaced\r\n")
        self.assertEqual(terminal.process.wait(20), 0)

    def test_one_worker(self):
        process = self.begin("restart", "3")
        self.broker.tell("reload", phase="begun", step=0, steps=1)
        self.broker.tell("reload", phase="step", step=1, steps=1, worker=5, reason="worker 5 replaces 3")
        self.broker.tell("reload", phase="done", step=1, steps=1)
        self.finish(process, 0, r"worker 5 replaces 3 \(1 of 1\)\nworker 3 is replaced")
        self.assertEqual(self.asked("restartWorker"), [{"worker": 3}])

    def test_news_that_are_lost(self):
        """The end of the reload is not among what the broker still has."""
        process = self.begin("reload")
        self.broker.answers["newsSince"] = lambda _: pack("newsEnd", seq=9, lost=9)
        self.broker.about["newsSeq"] = 9
        self.finish(process, 70, "", "skep: reload: it has ended, but its result was lost; see skep status")


class OneWorker(Steering):
    ready = (1, 3)

    def test_drain_waits_until_it_has_left(self):
        self.broker.answers["drainWorker"] = done
        process = self.start("drain", "3")
        self.broker.wait_asked("drainWorker")
        self.broker.workers[3] = {"state": "draining", "connections": 2, "drain_ms": 9000}
        self.broker.tell("exit", worker=1, pid=1001, code=0, reason="voluntary")
        self.broker.tell("exit", worker=3, pid=1003, signal=15, reason="drain-timeout", uptime_ms=5)
        self.finish(process, 0, "worker 3 has left",
                    r"skep: drain: worker 3 pid 1003: killed by SIGTERM \(drain-timeout\)")
        self.assertEqual(self.asked("drainWorker"), [{"worker": 3}])

    def test_drain_shows_what_it_waits_for(self):
        def drain(_):
            more = {"connections": 1, "untaken": 1, "jobs": 1, "drain_ms": 8900}
            self.broker.workers[3] = {"state": "draining", **more}
            return pack("done")
        self.broker.answers["drainWorker"] = drain
        terminal = self.on_a_terminal("drain", "3")
        self.broker.wait_asked("drainWorker")
        self.wait_looks(terminal.process, 2)
        self.broker.tell("exit", worker=3, pid=1003, code=0, reason="voluntary")
        shown = terminal.until(b"has left").split(b"\r\x1b[K")
        self.assertEqual((set(shown[:-1]), shown[-1]),
                         ({b"worker 3 has 2 connections and 1 job; a signal in 8 s"}, b"worker 3 has left\r\n"))

    def test_drain_needs_no_event(self):
        self.broker.answers["drainWorker"] = lambda _: self.broker.workers.pop(3) and pack("done") or pack("done")
        self.skep("drain", "3", out="worker 3 has left")

    def test_drain_without_waiting(self):
        self.broker.answers["drainWorker"] = done
        self.skep("drain", "3", "--no-wait")

    def test_kill_and_signal(self):
        self.broker.answers["signalWorker"] = done
        self.skep("kill", "3", out="worker 3 was sent SIGKILL")
        for text in ("USR1", "SIGUSR1", "usr1", "10"):
            self.skep("signal", "3", text, out="worker 3 was sent SIGUSR1")
        self.assertEqual(self.asked("signalWorker"), [{"worker": 3, "signal": signal.SIGKILL}]
                         + 4 * [{"worker": 3, "signal": signal.SIGUSR1}])

    def test_no_such_worker(self):
        for name, command in (("restart", "restartWorker"), ("drain", "drainWorker"), ("kill", "signalWorker")):
            self.broker.answers[command] = failed(ENOWORKER, "no worker 99")
            self.skep(name, "99", code=68, err=f"skep: {name}: no worker 99")

    def test_usage(self):
        for name, operand in (("restart", "WORKER or GROUP"), ("drain", "WORKER"), ("kill", "WORKER")):
            self.usage(f"{name}: {operand} is empty; see skep help {name}", name, "")
            for value in ("0", "4294967296") if name == "restart" else ("7x", "0", "all", "4294967296"):
                self.usage(f"{name}: {value}: expected a worker's id, as shown by skep status", name, value)
            self.usage(f"{name}: {operand} is missing; see skep help {name}", name)
            self.usage(f"{name}: 4: unexpected argument; see skep help {name}", name, "3", "4")
        self.usage("signal: SIGNAL is empty; see skep help signal", "signal", "3", "")
        for value in ("0", "65", "FOO", "SIG", "9x"):
            self.usage(f"signal: {value}: expected a signal, such as USR1, SIGUSR1 or 10", "signal", "3", value)
        self.usage("signal: SIGNAL is missing; see skep help signal", "signal", "3")


class Pause(Steering):
    def listener_or(self, *listeners):
        def answer(question):
            if question.get("listener", "mail") in listeners or question.get("queue") == "mail":
                return pack("done")
            return pack("failed", status=ENOLISTENER if "listener" in question else ENOQUEUE, reason="no such")
        self.broker.answers["pause"] = self.broker.answers["resume"] = answer

    def test_a_listener_comes_first(self):
        self.listener_or("mail", "tcp://*:80")
        self.skep("pause", "mail", out="listener mail is paused")
        self.skep("resume", "mail", out="listener mail is resumed")
        self.skep("pause", "--listener", "tcp://*:80", out=r"listener tcp://\*:80 is paused")
        self.skep("pause", "--queue", "mail", out="queue mail is paused")
        self.assertEqual(self.asked("pause"), [{"listener": "mail"}, {"listener": "tcp://*:80"}, {"queue": "mail"}])

    def test_else_it_is_a_queue(self):
        self.listener_or("web")
        self.skep("pause", "mail", out="queue mail is paused")
        self.skep("resume", "mail", out="queue mail is resumed")
        self.skep("pause", "--listener", "mail", code=68, err="skep: pause: mail: no such listener")
        self.skep("pause", "--queue", "web", code=68, err="skep: pause: web: no such queue")
        self.skep("resume", "other", code=68, err="skep: resume: other: no such listener, queue or group")
        self.skep("resume", "x" * 65, code=68, err="skep: resume: x+: no such listener")

    def test_the_breaker(self):
        self.broker.answers["resume"] = done
        self.broker.about["breaker_ms"] = 0  # open: a worker is on its way
        self.skep("resume", out="the breaker is closed: missing workers are started")
        del self.broker.about["breaker_ms"]
        self.skep("resume", out="the breaker was not open")
        self.assertEqual(self.asked("resume"), [{}, {}])

    def test_what_is_still_paused(self):
        def listener(url, **more):
            return pack("listenerStatus", **{"url": url, "accepted": 0, "queued": 0, "paused": True, **more})
        self.broker.answers["resume"] = done
        self.broker.answers["queues"] = lambda _: queue("a") + queue("mail", paused=True)
        self.skep("resume", out="the breaker was not open\nstill paused: queue mail; skep resume NAME resumes it")
        self.broker.answers["status"] = lambda _: (self.broker.status(_) + listener("tcp://*:1")
                                                   + listener("tcp://*:2", resting=True)
                                                   + listener("tcp://*:3", resting=True, name=ESCAPE))
        self.skep("resume", out="the breaker was not open\n"
                                r"still paused: listener tcp://\*:2, listener \?\[2J, queue mail; "
                                "skep resume NAME resumes one of them")

    def test_usage(self):
        self.usage("pause: NAME is missing; see skep help pause", "pause")
        self.usage("pause: give only one of NAME, --listener and --queue", "pause", "a", "--queue", "b")
        self.usage("resume: NAME is empty; see skep help resume", "resume", "")
        self.usage("resume: x+: expected 1 to 256 bytes", "resume", "x" * 257)
        self.usage("pause: --queue : the name is empty", "pause", "--queue", "")


class Gone(Steering):
    WAITS = (("scale", "3"), ("reload",), ("restart", "1"), ("drain", "1"))
    COMMANDS = {"scale": "scale", "reload": "reload", "restart": "restartWorker", "drain": "drainWorker"}

    def begin(self, *arguments):
        command = self.COMMANDS[arguments[0]]
        self.broker.asked.clear()
        self.broker.answers[command] = lambda _: pack("scaled", **{"from": 2, "to": 3}) if command == "scale" else done(_)
        process = self.start(*arguments)
        self.broker.wait_asked(command)
        return process

    def test_a_broker_that_stops(self):
        for arguments in self.WAITS:
            process = self.begin(*arguments)
            self.broker.tell("stop")
            self.finish(process, 69, ".*", f"skep: {arguments[0]}: {self.where} stops")

    def test_a_broker_that_vanishes(self):
        for arguments in self.WAITS:
            with FakeHive(1, 2) as self.broker:
                process = self.begin(*arguments)
                self.wait_looks(process.popen, 1)
                self.broker.vanish()
                self.finish(process, 69, ".*", f"skep: {self.where}: the other side is gone")

    def test_one_that_vanishes_instead_of_an_answer(self):
        for arguments in (*self.WAITS, ("kill", "1"), ("pause", "x"), ("resume",)):
            with FakeHive(1, 2) as self.broker:
                command = {**self.COMMANDS, "kill": "signalWorker"}.get(arguments[0], arguments[0])
                self.broker.answers[command] = lambda _: self.broker.vanish()
                self.finish(self.start(*arguments), 69, "", f"skep: {self.where}: the other side is gone")

    def test_none_at_all(self):
        for arguments in (*self.WAITS, ("kill", "1"), ("pause", "x"), ("resume",)):
            with self.subTest(arguments):
                self.finish(run("skep", arguments[0], "--dir", "/nonexistent", *arguments[1:]), 69, "",
                            "skep: no broker in /nonexistent")

    def test_its_words_are_harmless(self):
        self.broker.answers["reload"] = failed(ENOMEM, ESCAPE)
        self.skep("reload", code=71, err=r"skep: reload: \?\[2J")


if __name__ == "__main__":
    unittest.main()
