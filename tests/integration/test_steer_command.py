#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""skep scale, reload, restart, drain, kill, signal, pause and resume with a real broker and real workers."""
import os
import shutil
import signal
import tempfile
import unittest
from pathlib import Path

from hive import Hive, Process, connect, program, wait_until
from jobs import workers

LISTEN = ("--listen", "web")


class Steering(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="skep-", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.folder, True)

    def script(self, name, *lines):
        """A program that is given hello's arguments."""
        path = Path(self.folder, name)
        path.write_text("\n".join(("#!/bin/sh", *lines, "")))
        path.chmod(0o755)
        return str(path)

    def hive(self, name="hello", workers=2, **more):
        return Hive(name, *LISTEN, workers=workers, listen=["web=tcp://127.0.0.1:0"], **more)

    def skep(self, hive, *arguments, code=0, out="", err=""):
        done = hive.skep(*arguments)
        self.assertEqual(done.code, code, done.describe() + hive.describe())
        self.assertRegex(done.output("out"), rf"\A{out}\Z", done.describe())
        self.assertRegex(done.output("err"), rf"\A{err}\Z", done.describe())

    def start(self, hive, name, *arguments):
        process = Process([program("skep"), name, "--dir", hive.folder, *arguments])
        self.addCleanup(process.end)
        return process

    def states(self, hive):
        return sorted(worker["state"] for worker in hive.status()["workers"])


class Scale(Steering):
    def test_up_down_to_none_and_back(self):
        with self.hive() as hive:
            hive.wait_ready(2)
            self.skep(hive, "scale", "+2", out="2 -> 4 workers\n4 workers ready")
            self.assertEqual(self.states(hive), 4 * ["ready"])
            self.skep(hive, "scale", "-1", out="4 -> 3 workers\n3 workers ready")
            self.assertEqual(self.states(hive), 3 * ["ready"])
            self.skep(hive, "scale", "0", out="3 -> 0 workers\n0 workers ready")
            self.assertEqual(self.states(hive), [])
            self.skep(hive, "scale", "2", out="0 -> 2 workers\n2 workers ready")
            self.assertIn("Hello", hive.get().text)
            hive.stop()

    def test_a_start_that_fails_is_told(self):
        flag = Path(self.folder, "flag")
        path = self.script("mayfail", f"test -e {flag} && exit 3", f"exec {program('hello')} \"$@\"")
        with self.hive(path, options=["--failures", "3"]) as hive:
            hive.wait_ready(2)
            flag.touch()
            self.skep(hive, "scale", "3", code=70, out="2 -> 3 workers",
                      err=r"(skep: scale: worker \d+ pid \d+: exited with status 3 \(crashed\).*\n)+"
                          r"skep: scale: no more workers are started: .*")
            flag.unlink()
            self.skep(hive, "resume", out="the breaker is closed: missing workers are started")
            hive.wait_ready(3)
            hive.stop()


class Reload(Steering):
    def slow(self):
        return self.script("slow", "exec sleep 60")

    def test_onto_another_program(self):
        path = self.script("next", f"exec {program('hello')} \"$@\"")
        with self.hive() as hive:
            hive.wait_ready(2)
            before = set(hive.pids().values())
            self.skep(hive, "reload", "--program", path, "--at-once", "2",
                      out=r"(worker \d+ replaces .* \([12] of 2\)\n){2}2 workers replaced")
            hive.wait_ready(2)
            self.assertFalse(before & set(hive.pids().values()))
            self.assertIn("Hello", hive.get().text)
            hive.stop()

    def test_aborted_when_the_new_ones_fail(self):
        path = self.script("broken", "exit 3")
        with self.hive() as hive:
            hive.wait_ready(2)
            before = hive.pids()
            self.skep(hive, "reload", "--program", path, code=70,
                      err=r"skep: reload: aborted: worker \d+ .*status 3.*; the old workers continue; skep logs \d+ shows what it wrote")
            self.assertEqual(hive.pids(), before)
            self.skep(hive, "reload", "--program", "/no/such/program", code=70,
                      err="skep: reload: aborted: .*not found; the old workers continue")
            self.assertEqual(hive.pids(), before)
            hive.stop()

    def test_one_at_a_time(self):
        with self.hive() as hive:
            hive.wait_ready(2)
            self.skep(hive, "reload", "--program", self.slow(), "--no-wait")
            self.skep(hive, "reload", "--no-wait")
            hive.wait_line("broker: reload pending, 0 of 2: it begins when the current one has ended")
            self.skep(hive, "restart", "1", code=75, err="skep: restart: a reload is under way.*")
            self.skep(hive, "scale", "3", code=75, err="skep: scale: a reload is under way.*")
            hive.stop()

    def test_the_broker_ends_meanwhile(self):
        for sig, why in ((signal.SIGTERM, "reload: broker pid .* stops"),
                         (signal.SIGKILL, "broker pid .*: the other side is gone")):
            with self.hive() as hive:
                hive.wait_ready(2)
                process = self.start(hive, "reload", "--program", self.slow())
                hive.wait_line(r"worker 3 pid \d+: started")
                os.kill(hive.pid, sig)
                self.assertEqual(process.wait_exit(), 69, process.describe())
                self.assertRegex(process.output("err"), rf"\Askep: {why}\Z")

    def test_one_worker(self):
        with self.hive() as hive:
            hive.wait_ready(2)
            before = hive.pids()
            self.skep(hive, "restart", "1", out=r"worker 3 replaces .* \(1 of 1\)\nworker 1 is replaced")
            hive.wait_ready(2)
            self.assertEqual(set(hive.pids()), {2, 3})
            self.assertEqual(hive.pids()[2], before[2])
            hive.stop()


class OneWorker(Steering):
    def test_drain(self):
        with self.hive(workers=3) as hive:
            hive.wait_ready(3)
            self.skep(hive, "drain", "2", out="worker 2 has left")
            self.assertEqual(set(hive.pids()), {1, 3})
            self.assertEqual(self.states(hive), ["ready", "ready"])
            hive.stop()

    def test_drain_waits_for_a_live_connection(self):
        with self.hive(workers=1) as hive, connect(hive.url) as sock:
            hive.wait_ready(1)
            sock.sendall(b"GET / HTTP/1.1\r\n")  # a request that has begun
            hive.wait_status(lambda status: status["workers"][0]["connections"] == 1, "the connection")
            process = self.start(hive, "drain", "1")
            hive.wait_line("worker 1 pid .*: draining")
            self.assertIsNone(process.popen.poll(), process.describe())
            sock.sendall(b"Host: skep\r\nConnection: close\r\n\r\n")
            self.assertIn(b"200", sock.recv(100))
            sock.close()
            self.assertEqual((process.wait_exit(), process.output()), (0, "worker 1 has left"))
            hive.stop()

    def test_kill_and_signal(self):
        with self.hive() as hive:
            hive.wait_ready(2)
            self.skep(hive, "kill", "1", out="worker 1 was sent SIGKILL")
            hive.wait_line(r"worker 1 pid \d+: killed by SIGKILL")
            self.skep(hive, "signal", "2", "usr1", out="worker 2 was sent SIGUSR1")
            hive.wait_line(r"worker 2 pid \d+: killed by SIGUSR1")
            hive.wait_ready(2)
            hive.stop()

    def test_no_such_worker(self):
        with self.hive() as hive:
            hive.wait_ready(2)
            for arguments in (("restart", "99"), ("drain", "99"), ("kill", "99"), ("signal", "99", "TERM")):
                self.skep(hive, *arguments, code=68, err=f"skep: {arguments[0]}: no worker 99")
            self.assertEqual(set(hive.pids()), {1, 2})
            hive.stop()


class Pause(Steering):
    def test_a_listener(self):
        with self.hive() as hive:
            hive.wait_ready(2)
            self.skep(hive, "pause", "web", out="listener web is paused")
            self.skep(hive, "resume", out="the breaker was not open\n"
                                          "still paused: listener web; skep resume NAME resumes it")
            with connect(hive.url) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: skep\r\nConnection: close\r\n\r\n")
                self.assertEqual(hive.status()["totals"]["accepted"], 0)
                self.skep(hive, "resume", hive.url, out="listener tcp://.* is resumed")
                self.assertIn(b"200", sock.recv(100))
            self.skep(hive, "pause", "nothing", code=68, err="skep: pause: nothing: no such listener or queue")
            hive.stop()

    def test_a_queue(self):
        with workers("mail") as hive:
            hive.wait_ready(2)
            self.skep(hive, "submit", "mail", "a done", "--wait", out=".*")
            self.skep(hive, "pause", "mail", out="queue mail is paused")
            process = self.start(hive, "submit", "mail", "b done", "--wait")
            wait_until(lambda: '"ready":1' in hive.skep("queues", "--json").output("out"), "a job that waits")
            self.assertIsNone(process.popen.poll(), process.describe())
            self.skep(hive, "resume", "mail", out="queue mail is resumed")
            self.assertEqual(process.wait_exit(), 0, process.describe())
            hive.stop()


if __name__ == "__main__":
    unittest.main()
