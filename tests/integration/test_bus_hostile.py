# SPDX-License-Identifier: MIT
"""Strangers at the broker's sockets, of the same user, who do not speak SP as they should, or do not speak at all.
Whatever they do, who behaves is served meanwhile, in time, and nothing of it is left: no descriptor, no memory."""
import contextlib
import os
import re
import socket
import struct
import time
import unittest
from pathlib import Path

from faults import PROMPT_S, Clients, is_sanitized, quiet_descriptors, visitors
from hive import DEADLINE_S, Hive, wait_until
from jobs import CLIENTS, ask, submit
from wire import PUB, PULL, PUSH, REQ, SUB, pack  # jobs.py has made it findable

PYTHON = "/usr/bin/python3"
PROTOCOLS = {"outbox": PUSH, "intake": PUSH, "control": REQ, "news": SUB, "inbox": PULL, "returns": PULL}
OPEN = ("outbox", "intake", "control", "news")  # to every process of this user
VISITS, MUTE, CLAIMS = 2000, 500, 100
UNFINISHED, KEPT = 60, 16  # messages of the greatest size that one process begins, and may have begun
LATE_S = 10  # after which a greeting or a head that has not come whole ends the connection
RSS_GROWTH_BYTES = (48 if is_sanitized() else 16) * 1024 * 1024


def greeting(name):
    return b"\0SP\0" + struct.pack(">HH", PROTOCOLS[name], 0)


def head(size):
    return b"\x01" + struct.pack(">Q", size)


def rss_bytes(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) * 1024


def has_ended(sock):
    """Whether the other side has closed; what it sent before is passed over."""
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        try:
            while sock.recv(4096):
                pass
        except ConnectionResetError:
            pass
        return True
    return False


class Asking(Clients):
    """Somebody who asks for the status all the time, each time on a new connection, and notes how long it took."""

    def __init__(self, hive):
        super().__init__(1, DEADLINE_S)
        self.times_s, self.failed, self._hive = [], [], hive

    def _run(self, _):
        while not self._ended.wait(0.01):
            began_s = time.monotonic()
            try:
                ask(self._hive, "status")
            except OSError as error:
                self.failed.append(error)
            self.times_s.append(time.monotonic() - began_s)


class Bus(unittest.TestCase):
    """One hive for all tests: a worker that does jobs, and a client, this process, that has joined and left its
    sockets alone."""

    @classmethod
    def setUpClass(cls):
        cls.hive = Hive(PYTHON, "-B", CLIENTS / "job_worker.py", "sums", workers=1, options=["--stable", 0.001])
        cls.hive.wait_ready(1)
        cls.client = submit.Client(cls.hive.folder)
        cls.client.intake.close()
        cls.client.returns.close()
        cls.paths = {name: cls.path_of(name) for name in PROTOCOLS}
        cls.descriptors = quiet_descriptors(cls.hive)

    @classmethod
    def path_of(cls, name):
        """A listening socket of this name; those of workers and clients have a number behind the generation's."""
        paths = [path for path in Path(cls.hive.folder).glob(f"{name}.*") if path.is_socket()]
        if len(paths) != 1:
            raise AssertionError(f"not one socket {name}: {sorted(os.listdir(cls.hive.folder))}")
        return str(paths[0])

    @classmethod
    def tearDownClass(cls):
        hive, cls.hive = cls.hive, None
        hive.stop()
        hive.__exit__(None, None, None)

    @contextlib.contextmanager
    def asked_throughout(self):
        asking = Asking(self.hive)
        with asking:
            yield
            done = len(asking.times_s)
            wait_until(lambda: len(asking.times_s) > done, "one more status", context=self.hive.describe)
        self.assertEqual(asking.failed, [])
        self.assertLess(max(asking.times_s), PROMPT_S)

    def visit(self, name):
        sock = socket.socket(socket.AF_UNIX)
        self.addCleanup(sock.close)
        sock.settimeout(DEADLINE_S)
        sock.connect(self.paths[name])
        return sock

    def send(self, name, data):
        """A visitor that has sent something; who is turned away may be so before that."""
        sock = self.visit(name)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(data)
        return sock

    def wait_ended(self, socks, what, deadline_s=PROMPT_S):
        left = set(socks)

        def look():
            left.difference_update([sock for sock in left if has_ended(sock)])
            return not left
        wait_until(look, what, deadline_s, lambda: f"{len(left)} are left\n{self.hive.describe()}")

    def assert_serving(self):
        client = submit.Client(self.hive.folder)
        client.submit("sums", b"sum 2 3", outcomes=True)
        heard = []
        while not any(command["cmd"] == "finished" for command in heard):
            heard += client.hear()
        self.assertEqual([command["results"] for command in heard if command["cmd"] == "finished"], [[b"5"]])
        client.close()

    def assert_nothing_is_left(self):
        self.assert_serving()
        wait_until(lambda: quiet_descriptors(self.hive) == self.descriptors, "as many descriptors as before",
                   context=self.hive.describe)
        self.assertEqual(self.hive.wait_ready(1)["totals"]["restarts"], 0)

    def check_refused_at_once(self, name, data):
        """Long before anybody is late."""
        began_s = time.monotonic()
        with self.subTest(socket=name, data=data):
            self.wait_ended([self.send(name, data)], f"the end of a visit to {name}")
            self.assertLess(time.monotonic() - began_s, LATE_S / 2)

    def test_wrong_greetings(self):
        with self.asked_throughout():
            for name in PROTOCOLS:
                self.check_refused_at_once(name, b"GET / HTTP/1.1\r\n\r\n")
                self.check_refused_at_once(name, b"\0SP\0" + struct.pack(">HH", PUB, 0))
                self.check_refused_at_once(name, greeting(name)[:-1] + b"\1")
        self.assert_nothing_is_left()

    def test_wrong_heads(self):
        with self.asked_throughout():
            for name in PROTOCOLS:
                for size in (4 * 1024 * 1024 + 1, 1 << 32, 1 << 63, (1 << 64) - 1):
                    self.check_refused_at_once(name, greeting(name) + head(size))
                self.check_refused_at_once(name, greeting(name) + b"\2" + bytes(8))
        self.assert_nothing_is_left()

    def test_one_byte_at_a_time(self):
        question = struct.pack(">I", 0x80000001) + pack("queues")
        with self.asked_throughout():
            for name in OPEN:
                sock = self.visit(name)
                for byte in greeting(name) + (head(len(question)) + question if name == "control" else b""):
                    sock.sendall(bytes([byte]))
                self.assertEqual(sock.recv(5, socket.MSG_WAITALL), b"\0SP\0\0", name)
                sock.recv(3, socket.MSG_WAITALL)
                if name == "control":
                    self.assertEqual(sock.recv(1), b"\1")
                sock.close()
        self.assert_nothing_is_left()

    def test_who_keeps_it_waiting(self):
        """All at the same time: many that say nothing, some that stop in the midst of a greeting or a head, and many
        that claim the longest frame and send a byte of it, who may stay."""
        before_bytes = rss_bytes(self.hive.pid)
        with self.asked_throughout():
            began_s = time.monotonic()
            late = [self.visit(OPEN[i % len(OPEN)]) for i in range(MUTE)]
            late += [self.send(name, greeting(name)[:4]) for name in OPEN + ("returns",)]
            late += [self.send(name, greeting(name) + head(5)[:5]) for name in OPEN]
            claiming = [self.send(name, greeting(name) + head(4 * 1024 * 1024) + b"x")
                        for name in ("outbox", "intake", "control") for _ in range(CLAIMS // 3)]
            self.assert_serving()
            self.assertLess(time.monotonic() - began_s, LATE_S - 1)
            self.assertEqual([sock for sock in late + claiming if has_ended(sock)], [])
            self.assertLess(rss_bytes(self.hive.pid) - before_bytes, RSS_GROWTH_BYTES)
            self.wait_ended(late, "the end of those who are late", LATE_S + PROMPT_S)
            self.assertEqual([sock for sock in claiming if has_ended(sock)], [])
            for sock in claiming:
                sock.close()
        self.assert_nothing_is_left()

    def test_who_leaves_much_unfinished(self):
        """Messages that are never completed may stay for as long as they like, up to a bound for all connections of a
        process: the connection that passes it ends, which is reported, and all else goes on."""
        before_bytes, size = rss_bytes(self.hive.pid), 4 * 1024 * 1024

        def begin(name):
            return self.send(name, greeting(name) + head(size) + bytes(size - 1))

        def is_reported():  # not every time: other tests use up what is reported in a second
            self.wait_ended([begin("intake")], "the end of one more")
            return self.hive.count(rf"process {os.getpid()} .*: unfinished messages of this process over 64 MiB") > 0
        with self.asked_throughout():
            begun = [begin(name) for name in ("outbox", "intake", "control") for _ in range(UNFINISHED // 3)]
            self.wait_ended(begun[KEPT:], "the end of those that are too many")
            wait_until(is_reported, "a report", context=self.hive.describe)
            self.assert_serving()
            self.assertEqual([sock for sock in begun[:KEPT] if has_ended(sock)], [])
            self.assertLess(rss_bytes(self.hive.pid) - before_bytes, (3 if is_sanitized() else 1.5) * KEPT * size)
            for sock in begun:
                sock.close()
        self.assert_nothing_is_left()

    def test_who_comes_and_goes(self):
        with self.asked_throughout():
            for name in PROTOCOLS:
                for data in (b"", greeting(name)):
                    for _ in range(VISITS):
                        self.send(name, data).close()
        for name in PROTOCOLS:
            wait_until(lambda name=name: visitors(self.hive, name) <= 1, f"the last visitor of {name} to leave",
                       context=self.hive.describe)
        self.assert_nothing_is_left()

    def test_a_stranger_at_a_workers_inbox(self):
        stranger = self.send("inbox", greeting("inbox"))
        self.assert_serving()  # the job went to the worker
        heard = b""
        with contextlib.suppress(ConnectionResetError):
            while data := stranger.recv(4096):
                heard += data
        self.assertLessEqual(len(heard), len(greeting("inbox")))
        self.hive.wait_line(rf"refused process {os.getpid()} .* inbox of worker 1")
        self.assert_nothing_is_left()


if __name__ == "__main__":
    unittest.main(verbosity=2)
