# SPDX-License-Identifier: MIT
"""skep mock worker under a real broker, and skep mock broker with real workers."""
import os
import re
import signal
import tempfile
import time
import unittest
from pathlib import Path

from hive import connect, program, run
from jobs import Submitter, dead_letters, job_worker_path, queue_status, wait_queue
from mocked import Mocked
from pictures import png

NEVER = ["--drain-timeout", "0.5"]  # for workers that keep something to themselves


class Worker(unittest.TestCase):
    """What a script makes of jobs, connections and messages."""

    def outcomes(self, hive, count, what="done", workers=1, **options):
        """Submits jobs and waits for all outcomes: the submitter."""
        hive.wait_ready(workers)
        with Submitter(hive.folder) as submitter:
            submitter.submit("q", count, what, **options)
            submitter.wait_outcomes()
        return submitter

    def events(self, hive, workers=1):
        hive.wait_ready(workers)
        events = hive.events()
        events.wait_line(r"from number \d+")
        return events

    def causes(self, submitter):
        return {key: (death["cause"], death.get("reason")) for key, death in submitter.deaths.items()}

    def test_replies(self):
        lines = ["handle q concurrency 3  # keeps some", 'job 1 reply "o\\x6b"', "job q 2 delay 50ms reply hex:00ff",
                 'job "3 do" echo', "job 4.. extend work 100ms done"]
        with Mocked(*lines, workers=1) as hive:
            submitter = self.outcomes(hive, 5)
            self.assertEqual(submitter.results, {"1": b"ok", "2": b"\0\xff", "3": b"3 done", "4": b"", "5": b""})
            hive.stop()

    def test_what_has_no_rule_is_done(self):
        with Mocked("handle q", workers=1) as hive:
            self.assertEqual(self.outcomes(hive, 2).results, {"1": b"", "2": b""})
            hive.stop()

    def test_fails(self):
        with Mocked("handle q", 'job 2 fail "no such cat"', workers=1) as hive:
            submitter = self.outcomes(hive, 3)
            self.assertEqual(self.causes(submitter), {"2": ("refused", "no such cat")})
            self.assertEqual(len(submitter.results), 2)
            self.assertEqual([letter["reason"] for letter in dead_letters(hive, "q")], ["no such cat"])
            hive.stop()

    def test_retries(self):
        with Mocked("handle q", "job * attempt 1..2 retry 10ms later", "job * reply finally", workers=1) as hive:
            submitter = self.outcomes(hive, 1)
            self.assertEqual(submitter.results, {"1": b"finally"})
            self.assertEqual(queue_status(hive, "q")["redelivered"], 2)
            hive.stop()

    def test_retries_until_the_last_attempt(self):
        with Mocked("handle q", "job * retry 0s again", workers=1, options=["--attempts", "2"]) as hive:
            self.assertEqual(self.causes(self.outcomes(hive, 1)), {"1": ("attempts", "again")})
            hive.stop()

    def test_never_answers(self):
        options = ["--lease", "0.5", "--attempts", "2", *NEVER]
        with Mocked("handle q concurrency 10", "job * never", workers=1, options=options) as hive:
            submitter = self.outcomes(hive, 1)
            self.assertEqual({cause for cause, _ in self.causes(submitter).values()}, {"attempts"})
            self.assertEqual(dead_letters(hive, "q")[0]["attempt"], 2)
            hive.stop()

    def test_answers_too_late(self):
        lines = ["handle q concurrency 10", "job * attempt 1 late reply late", "job * reply soon"]
        with Mocked(*lines, workers=1, options=["--lease", "0.5"]) as hive:
            self.assertEqual(self.outcomes(hive, 1).results, {"1": b"soon"})
            status = wait_queue(hive, "q", lambda status: status["refused"] > 0, "the late answer")
            self.assertEqual((status["done"], status["refused"], status["redelivered"]), (1, 1, 1))
            hive.stop()

    def test_works_for_longer_than_the_lease(self):
        with Mocked("handle q", "job * work 3s reply slow", workers=1, options=["--lease", "1"]) as hive:
            self.assertEqual(self.outcomes(hive, 1).results, {"1": b"slow"})
            self.assertEqual(queue_status(hive, "q")["redelivered"], 0)
            hive.stop()

    def test_stands_still(self):
        with Mocked("handle q", "job * attempt 1 stall 60s", workers=1, options=["--watchdog", "0.5"]) as hive:
            events = self.events(hive)
            self.assertEqual(self.outcomes(hive, 1).results, {"1": b""})
            self.assertEqual(events.wait_event("exit")["reason"], "watchdog")
            hive.stop()

    def test_stands_still_once_too_often(self):
        options = ["--watchdog", "500ms", "--deaths", "1"]
        with Mocked("handle q", "job * stall 60s", workers=1, options=options) as hive:
            self.assertEqual(self.causes(self.outcomes(hive, 1)),
                             {"1": ("deaths", "1 worker died of it; the last was killed by SIGKILL (watchdog)")})
            hive.stop()

    def test_crashes_after_some(self):
        with Mocked("handle q", "job 3 attempt 1 crash SIGSEGV", workers=1) as hive:
            events = self.events(hive)
            submitter = self.outcomes(hive, 4)
            self.assertEqual(len(submitter.results), 4)
            left = events.wait_event("exit")
            self.assertEqual((left["signal"], left["reason"]), ("SIGSEGV", "crashed"))
            hive.stop()

    def test_exits_after_some(self):
        with Mocked("handle q", "job 2 attempt 1 exit 3", workers=1) as hive:
            events = self.events(hive)
            self.assertEqual(len(self.outcomes(hive, 2).results), 2)
            self.assertEqual(events.wait_event("exit")["code"], 3)
            hive.stop()

    def test_leaves(self):
        """What it has not begun goes to the other one."""
        with Mocked("handle q", 'job "leave" leave reply bye', workers=2) as hive:
            events = self.events(hive, 2)
            with Submitter(hive.folder) as submitter:
                submitter.submit("q", 1, "leave")
                submitter.submit("q", 5)
                submitter.wait_outcomes()
            self.assertEqual((len(submitter.results), submitter.results["1"]), (6, b"bye"))
            self.assertEqual(events.wait_event("exit")["reason"], "voluntary")
            hive.stop()

    def test_malformed_bytes_on_the_outbox(self):
        """The third frame ends the worker; what it had answered before stays answered."""
        with Mocked("handle q", "job 1..3 attempt 1 malformed outbox", workers=1) as hive:
            events = self.events(hive)
            self.assertEqual(len(self.outcomes(hive, 4).results), 4)
            self.assertEqual(events.wait_event("exit")["reason"], "protocol")
            # one more if the fourth job was not begun before the worker's end: it comes to the next as attempt 1
            self.assertIn(hive.status()["totals"]["bad_frames"], (3, 4))
            hive.stop()

    def test_malformed_bytes_on_the_link(self):
        with Mocked("handle q", "job 1..3 attempt 1 malformed link", workers=1) as hive:
            events = self.events(hive)
            self.assertEqual(len(self.outcomes(hive, 4).results), 4)
            self.assertEqual(events.wait_event("exit")["reason"], "protocol")
            hive.stop()

    # --- connections ---

    def read_all(self, sock):
        with sock:
            return sock.makefile("rb").read()

    def test_refuses_connections(self):
        """Each worker refuses the first one that it is given: it goes to and fro until one takes it."""
        lines = ["listen tcp://127.0.0.1:0", "connection 1 refuse", 'connection * write "taken" close']
        with Mocked(*lines, workers=2) as hive:
            hive.wait_ready(2)
            self.assertEqual(self.read_all(connect(hive.url)), b"taken")
            hive.wait_status(lambda status: status["totals"]["redispatched"] == 2, "two that were handed on")
            hive.stop()

    def test_takes_connections_slowly(self):
        """While one is not acknowledged no other comes, with a credit of one."""
        lines = ["listen tcp://127.0.0.1:0", "connection 1 hold 3s echo", "connection 2 echo"]
        with Mocked(*lines, workers=1, options=["--credit", "1"]) as hive:
            hive.wait_ready(1)
            with connect(hive.url) as first, connect(hive.url) as second:
                first.sendall(b"one")
                self.assertEqual(first.recv(10), b"one")
                hive.wait_status(lambda status: status["listeners"][0]["queued"] > 0, "one that waits")
                second.sendall(b"two")
                self.assertEqual(second.recv(10), b"two")
                hive.wait_status(lambda status: status["listeners"][0]["queued"] == 0, "nothing that waits")
            hive.stop()

    def test_closes_connections(self):
        lines = ["listen tcp://127.0.0.1:0", "connection 1 delay 50ms close"]
        with Mocked(*lines, workers=1) as hive:
            hive.wait_ready(1)
            self.assertEqual(self.read_all(connect(hive.url)), b"")
            self.assertEqual(self.read_all(connect(hive.url)), b"")
            hive.wait_status(lambda status: status["workers"][0]["connections"] == 0, "no connection left")
            hive.stop()

    def test_an_echo_does_not_hold_it_up(self):
        with Mocked("listen tcp://127.0.0.1:0", "connection * echo", workers=1) as hive:
            hive.wait_ready(1)
            with connect(hive.url) as sock:
                sock.sendall(b"here")
                self.assertEqual(sock.recv(10), b"here")
                hive.stop()
                self.assertEqual(sock.recv(10), b"")

    # --- messages, its life ---

    def test_messages(self):
        lines = ["name greeter", "subscribe", 'message greet reply "hi" count requests 3', "message quiet never",
                 "message told broadcast all told", "message all count requests 2"]
        with Mocked(*lines, workers=1) as hive:
            hive.wait_ready(1)
            self.assertEqual(hive.skep("call", "--raw", "greeter", "greet").output("out"), "hi")
            self.assertEqual(hive.skep("call", "--raw", "greeter", "other").output("out"), "")
            self.assertEqual(hive.skep("call", "--timeout", "0.2", "greeter", "quiet").code, 75)
            hive.wait_status(lambda status: status["totals"]["requests"] == 3, "three requests counted")
            hive.skep("send", "greeter", "told")
            hive.wait_status(lambda status: status["totals"]["requests"] == 5, "its own broadcast")
            hive.stop()

    def test_is_never_ready(self):
        options = ["--ready-timeout", "0.3"]
        with Mocked("ready never", workers=1, options=options) as hive:
            hive.wait_line(r"not ready after 300 ms", times=2)
            hive.stop()

    def test_is_ready_late(self):
        with Mocked("ready delay 300ms", workers=1) as hive:
            hive.wait_ready(1)
            hive.stop()

    def test_never_leaves(self):
        with Mocked("leave never", workers=1, options=NEVER) as hive:
            hive.wait_ready(1)
            os.kill(hive.pid, signal.SIGTERM)
            self.assertEqual(hive.wait_exit(), 0)
            self.assertRegex(hive.output(), r"killed by SIGTERM")

    def test_a_script_that_is_wrong(self):
        with Mocked("handle q", "job * explode", workers=1) as hive:
            self.assertEqual(hive.wait_exit(), 78)
            self.assertRegex(hive.output(), r"skep: mock: .*: line 2: explode: expected an action")


class Broker(unittest.TestCase):
    """Real programs, driven by a script."""

    def drive(self, lines, *argv):
        with tempfile.TemporaryDirectory(prefix="skep-script-") as folder:
            script = Path(folder, "broker")
            script.write_text("\n".join(lines))
            return run("skep", "mock", "broker", "--script", script, "--", program(argv[0]), *argv[1:])

    def assert_ok(self, lines, *argv):
        done = self.drive(lines, *argv)
        self.assertEqual(done.code, 0, done.describe())
        plan, *results = [line for line in done.output("out").splitlines() if re.match(r"1\.\.|ok |not ok |#", line)]
        self.assertEqual(plan, f"1..{len(results)}")
        return results

    def test_job_worker(self):
        results = self.assert_ok([
            "lease 20s  # a setting",
            "expect ready", "expect handles q 5",
            "submit q \"1 done it\"", "expect done 1 it within 10s",
            "submit q \"2 retry 500\"", "expect retry 2 after 500ms \"as it was told\"",
            "advance 499ms", "expect quiet 20ms", "advance 1ms", "expect retry 2",
            "submit q \"3 fail enough\"", "expect fail 3 enough",
            "submit q \"4 keep 100000\"", "expect delivered 4", "advance 20s", "expect delivered 4",
            "kill", "expect signal SIGKILL"], job_worker_path(), "q:5")
        self.assertEqual(results[2], 'ok 3 - submit q "1 done it"')

    def test_a_crash(self):
        self.assert_ok(["respawn", "expect ready", f"submit q \"1 crash {int(signal.SIGTERM)}\"", "expect signal SIGTERM",
                        "advance 1s", "expect respawned", "expect signal 15", "expect quiet 10ms"], job_worker_path(), "q")

    def test_the_pipeline(self):
        """An example whose workers submit jobs by themselves."""
        with tempfile.TemporaryDirectory(prefix="skep-picture-") as folder:
            picture = Path(folder, "picture.png")
            picture.write_bytes(png(300, 200))
            self.assert_ok([
                "expect ready", "expect handles fetch 4", "expect handles thumbnail 1",
                f'submit fetch "{picture}"', "expect submitted thumbnail", "expect done 2", "expect done 1",
                'submit fetch "/no/such/file"', 'expect dead 3 refused "No such file or directory"',
                "drain", "expect exit 0"], "pipeline")

    def test_jobs_that_are_tried_again(self):
        self.assert_ok([
            "lease 20s", "attempts 2", "deaths 2", "dedup 10s", "queue q:attempts=3,backoff=1s..2s", "respawn",
            "expect ready",
            'submit q "1 retry 0" attempts 2', 'expect retry 1 "as it was told"', "advance 1s", "expect retry 1",
            "expect dead 1 attempts",
            "submit q \"2 keep 100000\" lease 5s", "expect delivered 2", "advance 5s", "advance 1s", "expect delivered 2",
            "advance 5s", "advance 2s", "expect delivered 2", "advance 5s", 'expect dead 2 attempts "its lease ended"',
            f'submit q "3 crash {int(signal.SIGTERM)}"', "expect signal SIGTERM", "advance 1s", "expect respawned",
            "expect signal SIGTERM", 'expect dead 3 deaths "2 workers died of it; the last was killed by SIGTERM"'],
            job_worker_path(), "q:5")

    def test_options_of_jobs(self):
        self.assert_ok([
            "submit other x key k", "submit other \"y\" delay 60m ttl 1s priority -3", "submit q \"1 done it\" key k delay 1s",
            "expect ready", "expect quiet 20ms", "advance 1s", "expect dead 2 expired", "expect done 3 it"],
            job_worker_path(), "q")
        self.assert_ok(["submit q x key k", "submit q y", "expect duplicate 1 q z key k", "expect ready"], "basic")
        done = self.drive(["submit q x key k", "expect duplicate 1 q x key other"], "basic")
        self.assertEqual(done.output("out").splitlines()[2:5],
                         ["not ok 2 - expect duplicate 1 q x key other",
                          "# expected: not accepted, since job 1 has its key", "# came instead: accepted as job 2"])
        done = self.drive(["submit q x key k", "submit q y key k"], "basic")
        self.assertEqual((done.code, done.output("out").splitlines()[2:4]),
                         (1, ["not ok 2 - submit q y key k", "# a job with this key was submitted before"]))

    def test_a_program_that_ends_early(self):
        began = time.monotonic()
        done = self.drive(["expect ready within 60m"], "/bin/false")
        self.assertEqual(done.code, 1)
        self.assertIn("# worker 1 is not ready, has left, exited with status 1", done.output("out").splitlines())
        self.assertLess(time.monotonic() - began, 60)

    def test_what_is_over_is_not_waited_for(self):
        began = time.monotonic()
        done = self.drive(["attempts 1", "expect ready", 'submit q "1 retry 0"', "expect retry 1",
                           "expect dead 1 attempts", "expect done 1 within 60m"], job_worker_path(), "q")
        self.assertEqual(done.code, 1)
        lines = [line for line in done.output("out").splitlines() if line.startswith(("not ok", "#"))]
        self.assertEqual(lines[:3], ["not ok 5 - expect done 1 within 60m", "# expected within 3600000 ms: job 1 done",
                                     "# came instead: the job's end"])
        self.assertIn('# job 1 of the queue "q" is a dead letter, attempt 1, cause attempts', lines[3])
        self.assertLess(time.monotonic() - began, 60)

    def test_basic(self):
        self.assert_ok(["expect ready", "drain", "expect left", "expect exit 0"], "basic")

    def test_a_mock_worker(self):
        with tempfile.TemporaryDirectory(prefix="skep-script-") as folder:
            script = Path(folder, "worker")
            script.write_text('listen web\nmessage ask send asked "?"\nconnection * write "hello" echo\n'
                              'message cast reply back\nsubscribe\n')
            self.assert_ok([
                "expect listening web", "connect web", "expect bytes hello", "write more", "expect bytes more",
                "expect taken 1", "close", "expect finished 1", "request ask x", 'expect reply ""', "expect message asked",
                "expect subscribed", "broadcast cast x", "expect message cast back", "spoil hex:dd05", "expect quiet 20ms",
                "cut", "expect left", "expect exit 69"], "skep", "mock", "worker", "--script", script)

    def test_an_expectation_that_is_not_met(self):
        done = self.drive(["expect ready", 'submit q "1 done no"', "expect done 1 yes", "drain"], job_worker_path(), "q")
        self.assertEqual(done.code, 1)
        lines = done.output("out").splitlines()
        self.assertEqual(lines[:5], ["1..4", "ok 1 - expect ready", 'ok 2 - submit q "1 done no"',
                                     "not ok 3 - expect done 1 yes",
                                     '# expected within 10000 ms: job 1 done, the result "yes"'])
        self.assertIn('# came instead: job 1 done, the result "no", by worker 1', lines)
        self.assertFalse(any("drain" in line for line in lines))

    def test_a_step_that_cannot_be_done(self):
        done = self.drive(["expect ready", "connect tcp://*:80"], job_worker_path(), "q")
        self.assertEqual(done.code, 1)
        self.assertIn("not ok 2 - connect tcp://*:80", done.output("out"))

    def test_wrong_usage(self):
        for lines, what in ((["expect"], "line 1: it ends, expected what can be expected"),
                            (["", "submit q"], "line 2: it ends, expected data"),
                            (["expect ready", "bread"], "line 2: bread: expected a step, such as submit QUEUE DATA"),
                            (["expect done 1 x within 5"], "line 1: 5: expected a time"),
                            (["submit q x key"], "line 1: it ends, expected a key of 1 to 64 bytes"),
                            (["submit q x priority 128"], "line 1: 128: expected a number from -128 to 127"),
                            (["submit q x lease 99ms"], "line 1: 99ms: expected a time of at least 100ms"),
                            (["submit q x y"], "line 1: y: expected key, priority, delay, ttl, lease or attempts"),
                            (["queue q"], "line 1: q: expected NAME:KEY=VALUE,..."),
                            (["queue q:lease=1s", "queue q:lease=1s"], "line 2: q:lease=1s: this queue is set twice"),
                            *((["expect ready", line],
                               f"line 2: {line.split()[0]}: expected a step: settings come before the first one")
                              for line in ("lease 1s", "attempts 2", "deaths 2", "dedup 1s", "credit 1",
                                           "queue q:lease=1s", "respawn"))):
            done = self.drive(lines, "basic")
            self.assertEqual((done.code, done.output("out")), (64, ""))
            self.assertIn(what, done.output("err"))
        self.assertEqual(self.drive(["expect ready"], "/no/such/program").code, 127)
        for argv in ((), ("other",), ("worker",), ("broker", "--script", "/dev/null"), ("worker", "--script", "/dev/null", "x")):
            self.assertEqual(run("skep", "mock", *argv).code, 64)
        self.assertEqual(run("skep", "mock", "worker", "--script", "/no/such/file").code, 66)
        self.assertEqual(run("skep", "mock", "worker", "--script", "/dev/null").code, 69)
        for argv in (("help", "mock"), ("mock", "--help"), ("mock", "worker", "--help")):
            self.assertEqual(run("skep", *argv).code, 0)


if __name__ == "__main__":
    unittest.main()
