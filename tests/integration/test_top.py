#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""skep top, on a terminal and without one, with a real broker and with one that does as it is told."""
import os
import re
import signal
import unittest

from fake_broker import GENERATION, FakeBroker, broker_status, pack, queue
from hive import Hive, program, run
from screen import Terminal
from wire import PUB  # fake_broker knows where it is

LISTEN = ("--listen", "tcp://127.0.0.1:0")
LEAVES = b"\x1b[?1049l"  # xterm's other screen


def worker_status(number, **more):
    counts = ("uptime_ms", "slot", "restarts", "connections", "accepted", "requests", "messages", "rss_bytes")
    fields = {"worker": number, "pid": 1000 + number, "state": "ready", **{count: 0 for count in counts}}
    return pack("workerStatus", **{**fields, **more})


class Top(unittest.TestCase):
    def top(self, folder, *options, **terminal):
        found = Terminal([program("skep"), "top", "--dir", folder, *options], **terminal)
        self.addCleanup(found.__exit__)
        return found

    def assert_left(self, terminal, code=0):
        self.assertEqual(terminal.wait_exit(), code, terminal.text())
        self.assertTrue(terminal.is_as_before(), "the terminal is not as it was")
        terminal.wait_until(lambda: LEAVES in terminal.raw, "the other screen to be left")
        self.assertEqual(terminal.screen.unknown, [])


class Real(Top):
    def test_a_kill_and_the_replacement_are_seen(self):
        with Hive("hello", *LISTEN) as hive:
            hive.wait_ready(2)
            pid = hive.pids()[1]
            top = self.top(hive.folder)
            top.wait_for(rf"^ *1 +{pid} +ready")
            top.wait_for(r"^LISTENER")
            hive.kill9(pid)
            top.wait_for(rf"worker 1 pid {pid}: killed by SIGKILL")
            top.wait_for(r"^ *3 +\d+ +ready")
            top.wait_gone(rf"^ *1 +{pid}")
            top.press("q")
            self.assert_left(top)
            hive.stop()

    def test_rates_of_requests(self):
        with Hive("hello", *LISTEN) as hive:
            hive.wait_ready(2)
            url = hive.url
            top = self.top(hive.folder, "--every", "0.25")
            top.wait_for(r"^requests/s +0")

            def is_seen():
                hive.requests(20, url=url, keep_alive=True)
                return re.search(r"^requests/s +[1-9]", top.text(), re.M)
            top.wait_until(is_seen, "requests")
            hive.stop()

    def test_a_stop_ends_it(self):
        with Hive("hello", *LISTEN) as hive:
            hive.wait_ready(2)
            top = self.top(hive.folder)
            top.wait_for(r"^ *2 +\d+ +ready")
            hive.stop()
            self.assert_left(top)
            top.wait_for(rf"^skep: top: broker pid {hive.pid} in ")

    def test_signals_end_it_and_give_the_terminal_back(self):
        with Hive("hello", *LISTEN) as hive:
            hive.wait_ready(2)
            for end in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, "\x03", "\x1c"):
                top = self.top(hive.folder)
                top.wait_for("q quit")
                if isinstance(end, str):
                    top.press(end)
                else:
                    os.kill(top.popen.pid, end)
                self.assert_left(top)
            hive.stop()

    def test_a_shell_stops_it_and_lets_it_go_on(self):
        with Hive("hello", *LISTEN) as hive:
            hive.wait_ready(2)
            line = f"{program('skep')} top --dir {hive.folder}; echo STOPPED; read line; fg >/dev/null; echo LEFT $?"
            with Terminal(["/bin/bash", "-mc", line]) as top:
                top.wait_for(r"^ *2 +\d+ +ready")
                top.press("\x1a")
                top.wait_for("STOPPED")
                self.assertIn(LEAVES, top.raw)
                top.press("\n")
                top.wait_gone("STOPPED")
                top.wait_for(r"^ *2 +\d+ +ready")
                top.press("q")
                top.wait_for("LEFT 0")
            hive.stop()

    def test_sizes(self):
        with Hive("hello", *LISTEN) as hive:
            hive.wait_ready(2)
            top = self.top(hive.folder, columns=30, rows=5)
            top.wait_for("^too small: 30x5, not 40x8$")
            for columns, rows in ((120, 40), (40, 8), (1, 1), (80, 24)):
                top.resize(columns, rows)
                if columns < 40:
                    top.wait_for("^t$")
                    continue
                top.wait_until(lambda: top.lines()[-1].startswith("q quit"), f"keys at the bottom of {columns}x{rows}")
                top.wait_for(r"^ *\d+ .*ready")
                top.wait_for("^default  running .*\nacc.*\nreq.*\njobs/s")
            top.press("q")
            self.assert_left(top)
            hive.stop()

    def test_the_window_counts_and_not_what_the_environment_says_of_it(self):
        with Hive("hello", *LISTEN) as hive:
            hive.wait_ready(2)
            for size in ("50", "99999999"):
                top = Terminal(["/usr/bin/env", f"COLUMNS={size}", f"LINES={size}", program("skep"), "top", "--dir",
                                hive.folder], columns=120, rows=40)
                with top:
                    for columns, rows in ((120, 40), (90, 30)):
                        top.resize(columns, rows)
                        top.wait_until(lambda: top.lines()[-1].startswith("q quit"), f"keys at row {rows}")
                    top.press("q")
                    self.assertEqual(top.wait_exit(), 0)
            hive.stop()

    def test_once(self):
        with Hive("hello", *LISTEN) as hive:
            hive.wait_ready(2)
            for locale, columns in (("C.UTF-8", "120"), ("C", "80")):
                done = run("skep", "top", "--once", "--dir", hive.folder, env={"LC_ALL": locale, "COLUMNS": columns})
                self.assertEqual((done.code, done.output("err")), (0, ""), done.describe())
                lines = done.output("out").split("\n")
                self.assertRegex(lines[0], r"^default  running \d+:\d\d:\d\d, round-robin, 2 of 2 ready, ")
                self.assertLessEqual(max(map(len, lines)), int(columns))
                for worker, pid in hive.pids().items():
                    self.assertRegex(done.output("out"), rf"(?m)^ *{worker} +{pid} +ready")
                self.assertIn("EVENTS", done.output("out"))
                self.assertNotIn("\x1b", done.output("out"))
                self.assertNotIn("q quit", done.output("out"))
            hive.stop()

    def test_without_a_terminal(self):
        with Hive("hello", *LISTEN) as hive:
            hive.wait_ready(2)
            done = hive.skep("top")
            self.assertEqual((done.code, done.output()),
                             (64, "skep: top: no terminal; --once prints one frame"), done.describe())
            for name in ("", "nonsense", "dumb"):
                top = self.top(hive.folder, env={"TERM": name})
                self.assertEqual(top.wait_exit(), 64)
                top.wait_for("^skep: top: .*TERM.*; --once prints one frame$")
                self.assertTrue(top.is_as_before())
            hive.stop()


class Scripted(Top):
    def setUp(self):
        self.broker = FakeBroker()
        self.addCleanup(self.broker.__exit__)
        self.news = self.broker.listen(f"news.{GENERATION}", PUB)
        self.workers = [worker_status(number) for number in (1, 2, 3)]
        self.seq = 0
        self.broker.answers["status"] = lambda _: broker_status(newsSeq=self.seq) + b"".join(self.workers)
        self.broker.answers["queues"] = lambda _: queue("thumbs", ready=17)
        self.broker.answers["newsSince"] = lambda _: pack("newsEnd", seq=self.seq)

    def asked(self, *commands):
        return [question for question in self.broker.asked if question["cmd"] in commands]

    def test_what_is_steered_is_asked_first(self):
        for key, words, command in (("d", "drain", "drainWorker"), ("r", "restart", "restartWorker"),
                                    ("K", "kill", "signalWorker")):
            with self.subTest(command):
                self.broker.answers[command] = lambda _: pack("done")
                top = self.top(self.broker.folder)
                top.wait_for(r"^ *3 +1003 +ready")
                top.press("jj" + key)
                top.wait_for(rf"^{words} worker 2\? y/n$")
                top.press("n")
                top.wait_for("^worker 2 is left alone$")
                self.assertEqual(self.asked(command), [])
                top.press(key + "y")
                top.wait_for(rf"^{words} worker 2: done$")
                more = {"signal": 9} if key == "K" else {}
                self.assertEqual(self.asked(command), [{"cmd": command, "worker": 2, **more}])
                top.press("q")
                self.assert_left(top)

    def test_a_refusal_is_shown(self):
        self.broker.answers["drainWorker"] = lambda _: pack("failed", status=15, reason="it is\x1b[2J the last")
        top = self.top(self.broker.folder)
        top.wait_for(r"^ *3 +1003 +ready")
        top.press("jdy")
        top.wait_for(r"^drain worker 1: it is\?\[2J the last$")

    def test_arrows_move(self):
        top = self.top(self.broker.folder)
        top.wait_for(r"^ *3 +1003 +ready")
        top.press("\x1bOB\x1bOB\x1bOB\x1bOAK")
        top.wait_for(r"^kill worker 2\? y/n$")

    def test_a_question_ends_with_its_worker(self):
        top = self.top(self.broker.folder, "--every", "0.25")
        top.wait_for(r"^ *3 +1003 +ready")
        top.press("jK")
        top.wait_for(r"^kill worker 1\? y/n$")
        del self.workers[0]
        top.wait_for("^worker 1, which was selected, has gone$")
        top.press("y")
        top.wait_gone("^worker 1, which")
        self.assertEqual(self.asked("signalWorker"), [])

    def test_news_are_seen_at_once_and_gaps_are_filled(self):
        def event(number, reason):
            return pack("event", seq=number, time=45296000, event="error", reason=reason)
        top = self.top(self.broker.folder, "--every", "16")
        top.wait_for("^QUEUE")
        self.news.connected.wait(10)
        self.workers.append(worker_status(4))
        self.news.send_to_all(event(1, "first"))
        top.wait_for("^12:34:56 broker: error: first$")
        top.wait_for(r"^ *4 +1004 +ready")
        self.broker.answers["newsSince"] = lambda question: (
            event(2, "second") + pack("newsEnd", seq=2) if question["seq"] == 1 else pack("newsEnd", seq=2))
        self.news.send_to_all(event(3, "third"))
        top.wait_for("error: second\n12:34:56 broker: error: third$")

    def test_a_frame_is_held_whatever_happens(self):
        top = self.top(self.broker.folder, "--every", "0.25")
        top.wait_for("^QUEUE")
        top.press("p")
        top.wait_for("^PAUSED")
        before = len(self.broker.asked)
        self.seq = 1
        self.workers.append(worker_status(4))
        self.news.send_to_all(pack("event", seq=1, time=45296000, event="error", reason="first"))
        top.press("jdy")  # what comes of it shows that the event came before
        top.wait_for("^drain worker 1: ")
        self.assertEqual([question["cmd"] for question in self.broker.asked[before:]], ["drainWorker"])
        self.assertNotIn("error: first", top.text())
        top.press("p")
        top.wait_for("error: first$")
        top.wait_for(r"^ *4 +1004 +ready")

    def test_it_asks_no_more_often_than_it_draws(self):
        top = self.top(self.broker.folder, "--every", "16")
        top.wait_for("^QUEUE")
        for key in "jk?x/1001\n":
            top.press(key)
        top.wait_for("^1 of 3 workers: 1001")
        self.assertEqual(len(self.asked("status")), 1)

    def test_a_broker_that_vanishes_stays_on_the_screen(self):
        top = self.top(self.broker.folder, "--every", "0.25")
        top.wait_for(r"^ *3 +1003 +ready")
        self.broker.vanish()
        top.wait_for(r"^the broker is gone; press any key to quit$")
        top.wait_for(r"^ *3 +1003 +ready")
        top.press("x")
        self.assert_left(top, 69)
        top.wait_for(rf"^skep: broker pid {os.getpid()} in ")

    def test_a_broker_that_hangs(self):
        top = self.top(self.broker.folder, "--every", "0.25")
        top.wait_for(r"^ *3 +1003 +ready")
        answer = self.broker.answers["status"]
        self.broker.answers["status"] = lambda _: None
        top.wait_for("^the broker does not answer$")
        self.broker.answers["status"] = answer
        self.workers.append(worker_status(4))
        top.wait_for(r"^ *4 +1004 +ready")
        top.wait_gone("does not answer")
        top.press("q")
        self.assert_left(top)

    def test_nothing_reaches_the_terminal_that_could_drive_it(self):
        evil = "\x1b]0;owned\x07\u009b31m\r\n\u202e"
        self.workers.append(worker_status(4, name=evil, state=evil))
        self.broker.answers["queues"] = lambda _: queue(evil, ready=17)
        top = self.top(self.broker.folder, columns=160)
        top.wait_for(r"\?\]0;owned\?")
        self.assertNotIn(b"\x1b]0;", top.raw)
        self.assertNotIn("\u009b".encode(), top.raw)
        self.assertNotIn("\u202e".encode(), top.raw)
        top.press("q")
        self.assert_left(top)
        done = self.broker.skep("top", "--once")
        self.assertEqual(done.code, 0)
        self.assertFalse(set(done.output("out")) & set("\x1b\x07\r\u009b"))

    def test_no_color(self):
        for value, has_colours in (("", True), ("1", False)):
            top = self.top(self.broker.folder, env={"TERM": "xterm-256color", "NO_COLOR": value})
            self.workers = [worker_status(1, state="draining")]
            top.wait_for("draining")
            top.press("q")
            self.assert_left(top)
            self.assertEqual(re.search(rb"\x1b\[[0-9;]*3[0-7]m", top.raw) is not None, has_colours, top.raw)


class Usage(unittest.TestCase):
    def test_values_that_make_no_sense(self):
        for value in ("0", "0.01", "90000", "often", ""):
            done = run("skep", "top", "--every", value)
            self.assertEqual(done.code, 64, done.describe())
            self.assertRegex(done.output(), r"^skep: top: --every .*: expected ")

    def test_no_broker(self):
        done = run("skep", "top", "--dir", "/tmp/skep-nobody-is-here")
        self.assertEqual(done.code, 69)
        self.assertEqual(done.output(), "skep: no broker in /tmp/skep-nobody-is-here")


if __name__ == "__main__":
    unittest.main()
