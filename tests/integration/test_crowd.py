# SPDX-License-Identifier: MIT
"""Many who hold the broker's sockets and do nothing, and readers of the news who do not read: an operator still gets an
answer, and the broker keeps no more for them than it keeps anyway."""
import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import unittest
from pathlib import Path

from faults import descriptors, is_sanitized, quiet_descriptors
from hive import Hive, program, wait_until

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "clients"))
import wire  # noqa: E402
from submit import Client  # noqa: E402

LISTEN = ("--listen", "tcp://127.0.0.1:0")
CROWD = 500
NEWS_BYTES = 64 * 1024 * 1024
GROWTH_BYTES = (32 if is_sanitized() else 16) * 1024 * 1024
# A sanitizer shall give freed memory back as soon as malloc does: it is measured here.
PLAIN = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=0:thread_local_quarantine_size_kb=0"
         ":allocator_release_to_os_interval_ms=0"}


def rss_bytes(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


class Crowd(unittest.TestCase):
    def check_answers(self, hive, crowd):
        """With so many connections; and when they have gone, their descriptors have too."""
        before = quiet_descriptors(hive)
        with contextlib.ExitStack() as stack:
            for _ in range(CROWD):
                stack.callback(crowd().close)
            wait_until(lambda: descriptors(hive.pid) >= before + CROWD, "all of them to be connected")
            for _ in range(3):
                done = hive.skep("status", "--json")
                self.assertEqual(done.code, 0, done.describe())
            self.assertEqual(hive.skep("events", "--once").code, 0)
        wait_until(lambda: descriptors(hive.pid) <= before, "their descriptors to be closed", context=hive.describe)

    def test_clients_that_never_greet(self):
        with Hive("hello", *LISTEN, workers=1) as hive:
            hive.wait_ready(1)
            path = wire.control_url(hive.folder).removeprefix("ipc://")

            def connect():
                client = socket.socket(socket.AF_UNIX)
                client.connect(path)  # waits while the backlog is full
                return client
            self.check_answers(hive, connect)
            hive.stop()

    def test_clients_that_never_ask(self):
        with Hive("hello", *LISTEN, workers=1) as hive:
            hive.wait_ready(1)
            self.check_answers(hive, lambda: wire.Asker(wire.control_url(hive.folder)))
            hive.stop()


class News(unittest.TestCase):
    @staticmethod
    def flood(hive):
        """Broadcasts, which are news: far more than the broker keeps."""
        client = Client(hive.folder)
        message = wire.pack("message", name="flood", toAll=True, data=bytes(64 * 1024))
        for _ in range(NEWS_BYTES // len(message)):
            client.say(message)
        client.close()

    def check_broker(self, hive):
        """It keeps its bounds, answers and replaces workers."""
        self.flood(hive)
        before = hive.wait_status(lambda s: s["totals"]["bad_frames"] == 0)["workers"][0]["id"]
        settled = rss_bytes(hive.pid)
        self.flood(hive)
        hive.kill9(hive.pids()[before])
        hive.wait_status(lambda s: [w["id"] for w in s["workers"] if w["state"] == "ready"] == [before + 1], "another")
        self.assertLess(rss_bytes(hive.pid) - settled, GROWTH_BYTES)

    def test_a_subscriber_that_never_reads(self):
        with Hive("hello", *LISTEN, workers=1, env=PLAIN) as hive:
            hive.wait_ready(1)
            deaf = wire.Pipe(wire.control_url(hive.folder).replace("control", "news"), wire.SUB)
            self.addCleanup(deaf.close)
            self.check_broker(hive)
            hive.stop()

    def test_events_that_are_stopped(self):
        with Hive("hello", *LISTEN, workers=1, env=PLAIN) as hive:
            hive.wait_ready(1)
            events = hive.events()
            events.wait_line("from number", stream="err")
            os.kill(events.pid, signal.SIGSTOP)
            self.check_broker(hive)
            os.kill(events.pid, signal.SIGCONT)
            events.wait_event("exit")
            hive.stop()

    def test_events_whose_pipe_nobody_reads(self):
        with Hive("hello", *LISTEN, workers=1, env=PLAIN) as hive:
            hive.wait_ready(1)
            reader, writer = os.pipe()
            self.addCleanup(os.close, reader)
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
            os.write(writer, bytes(4096 - 16))
            events = subprocess.Popen([program("skep"), "events", "--dir", hive.folder], stdout=writer,
                                      stderr=subprocess.DEVNULL)
            os.close(writer)
            self.addCleanup(events.wait)
            self.addCleanup(events.kill)
            self.check_broker(hive)
            self.assertIsNone(events.poll())
            hive.stop()


if __name__ == "__main__":
    unittest.main()
