# SPDX-License-Identifier: MIT
"""A worker, a client and a stranger that send what they must not. Whatever they do, the broker lives, serves, says in
one line who did what, and ends that peer alone."""
import os
import re
import signal
import socket
import struct
import sys
import unittest
from pathlib import Path

from hive import Connection, Hive, wait_until

CLIENTS = Path(__file__).resolve().parent.parent / "clients"
sys.path.insert(0, str(CLIENTS))
import hostile as kinds  # noqa: E402
import wire  # noqa: E402

PYTHON = "/usr/bin/python3"
RSS_GROWTH_BYTES = 16 * 1024 * 1024
STRANGER = 65534


def hostile(*args, **options):
    return Hive(PYTHON, "-B", CLIENTS / "hostile.py", "--listen", "tcp://127.0.0.1:0", *args, **options)


def peak_rss_bytes(pid):
    """The most memory that a process has had so far: what is given back at once counts, too."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) * 1024


def without_quarantine():
    """A sanitizer shall give freed memory back as soon as malloc does: it is measured here."""
    options = ":quarantine_size_mb=0:thread_local_quarantine_size_kb=0:allocator_release_to_os_interval_ms=0"
    return {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + options}


def follow(hive):
    """The hive's events, once none can be missed any more."""
    events = hive.events()
    events.wait_line(r"from number \d+")
    return events


class Case(unittest.TestCase):
    def assert_serving(self, hive, workers):
        hive.wait_ready(workers)
        for response in hive.requests(2 * workers):
            self.assertIn("Hello from Python worker", response.text)

    def evil(self, hive, kind, times=1):
        """One worker does something evil so many times; its id and pid."""
        with Connection(hive.url) as connection:
            found = re.search(r"worker (\d+), pid (\d+)", connection.request().text)
            try:
                for _ in range(times):
                    connection.request(f"/evil/{kind}")
            except (ConnectionError, ConnectionResetError):
                pass  # it was ended meanwhile
        return int(found[1]), int(found[2])

    def assert_siblings_stayed(self, hive, before, ended):
        after = hive.pids()
        self.assertNotIn(ended, after)
        self.assertEqual({worker: pid for worker, pid in after.items() if worker in before},
                         {worker: pid for worker, pid in before.items() if worker != ended})

    def asker(self, hive):
        asker = wire.Asker(wire.control_url(hive.folder))
        self.addCleanup(asker.close)
        return asker

    def bad_frames(self, hive):
        return hive.status()["totals"]["bad_frames"]


class Version(Case):
    def test_another_protocol_version_is_rejected(self):
        with hostile("--foreign", "2:99", workers=2) as hive:
            hive.wait_line(r"rejected: .*99")
            hive.wait_line(r"worker 2 .*99")
            status = hive.wait_ready(2)
            self.assertEqual([worker["id"] for worker in status["workers"]], [1, 3])
            self.assertEqual(hive.count(r"worker 2 .*(protocol|version).*99"), 1, hive.describe())
            self.assert_serving(hive, 2)
            hive.stop()


class Outbox(Case):
    """Three bad frames within a minute end the worker that sent them; one or two do not."""

    def check(self, kind):
        with hostile(workers=3) as hive:
            hive.wait_ready(3)
            events, before = follow(hive), hive.pids()
            requests = hive.status()["totals"]["requests"]
            self.evil(hive, kind, 2)
            wait_until(lambda: self.bad_frames(hive) == 2, "two bad frames", context=hive.describe)
            self.assertEqual(hive.pids(), before)
            worker, pid = self.evil(hive, kind, 3)
            left = events.wait_event(lambda event: event["event"] == "exit")
            self.assertEqual((left["worker"]["id"], left["worker"]["pid"], left["reason"]), (worker, pid, "protocol"))
            self.assert_serving(hive, 3)
            self.assert_siblings_stayed(hive, before, worker)
            self.assertEqual(self.bad_frames(hive), 5)
            self.assertLess(hive.status()["totals"]["requests"], requests + 1000)
            hive.wait_line(rf"worker {worker} \D*{pid}\b.*frame")
            hive.stop()


def add_outbox_tests():
    for kind in sorted(set(kinds.OUTBOX) - {"good-then-bad"}):
        setattr(Outbox, "test_" + kind.replace("-", "_"), lambda self, kind=kind: self.check(kind))


add_outbox_tests()


class OutboxMore(Case):
    def test_two_bad_frames_of_each_of_two_workers_end_none(self):
        with hostile(workers=2) as hive:
            before = {worker["id"]: worker["pid"] for worker in hive.wait_ready(2)["workers"]}
            self.assertNotEqual(self.evil(hive, "garbage", 2), self.evil(hive, "garbage", 2))
            wait_until(lambda: self.bad_frames(hive) == 4, "four bad frames", context=hive.describe)
            self.assert_serving(hive, 2)
            self.assertEqual(hive.pids(), before)
            hive.stop()

    def test_what_came_before_the_bad_byte_does_not_count(self):
        with hostile(workers=1) as hive:
            hive.wait_ready(1)
            self.evil(hive, "good-then-bad")
            wait_until(lambda: self.bad_frames(hive) == 1, "a bad frame", context=hive.describe)
            self.assertLess(hive.status()["totals"]["requests"], 1000)
            hive.stop()

    def test_oversized_message(self):
        with hostile(workers=2) as hive:
            hive.wait_ready(2)
            for _ in range(4):
                self.evil(hive, "oversized", 3)
            self.assert_serving(hive, 2)
            hive.stop()

    def test_unknown_commands_are_counted_and_harmless(self):
        with hostile(workers=1) as hive:
            before = hive.wait_ready(1)
            with Connection(hive.url) as connection:
                connection.request("/flood")
            status = hive.wait_status(lambda found: found["totals"]["unknown"] > 100000, "unknown commands counted")
            self.assertEqual(status["totals"]["bad_frames"], 0)
            self.assertEqual(status["workers"][0]["pid"], before["workers"][0]["pid"])
            self.assert_serving(hive, 1)
            hive.stop()

    def test_memory_stays(self):
        """Bombs of every kind, again and again; the workers that send them are replaced again and again."""
        with hostile(workers=2, env=without_quarantine()) as hive:
            hive.wait_ready(2)
            hive.requests(20)
            before = peak_rss_bytes(hive.pid)
            for kind in ("values-bomb", "bin-bomb", "nested", "array-bomb", "oversized", "values-bomb"):
                self.evil(hive, kind, 2)
                self.assert_serving(hive, 2)
                self.assertLess(peak_rss_bytes(hive.pid) - before, RSS_GROWTH_BYTES, kind)
            hive.stop()


class Link(Case):
    """What is malformed counts as it does on the outbox; what is merely wrong does no harm."""

    def check_fatal(self, kind):
        with hostile(workers=3) as hive:
            hive.wait_ready(3)
            events, before = follow(hive), hive.pids()
            self.evil(hive, kind, 2)
            wait_until(lambda: self.bad_frames(hive) == 2, "two bad frames", context=hive.describe)
            self.assertEqual(hive.pids(), before)
            worker, pid = self.evil(hive, kind, 3)
            left = events.wait_event("exit")
            self.assertEqual((left["worker"]["id"], left["worker"]["pid"], left["reason"]), (worker, pid, "protocol"))
            self.assert_serving(hive, 3)
            self.assert_siblings_stayed(hive, before, worker)
            hive.stop()

    def check_harmless(self, kind):
        with hostile(workers=2) as hive:
            hive.wait_ready(2)
            self.evil(hive, kind)
            self.assert_serving(hive, 2)
            totals = hive.wait_status(lambda found: found["totals"]["connections"] < 10, "sane counts")["totals"]
            self.assertLess(totals["accepted"], 100)
            hive.stop()

    def test_link_and_outbox_count_together(self):
        with hostile(workers=1) as hive:
            hive.wait_ready(1)
            events = follow(hive)
            with Connection(hive.url) as connection:
                for kind in ("link-garbage", "garbage"):
                    connection.request(f"/evil/{kind}")
                wait_until(lambda: self.bad_frames(hive) == 2, "two bad frames", context=hive.describe)
                connection.send("/evil/link-garbage")
                self.assertEqual(events.wait_event("exit")["reason"], "protocol")
            self.assert_serving(hive, 1)
            hive.stop()

    def test_link_that_outlives_its_worker(self):
        """A process that inherited the link keeps it open after the worker's death, which is what counts."""
        with hostile(workers=2) as hive:
            hive.wait_ready(2)
            with Connection(hive.url) as connection:
                pid = int(re.search(r"pid (\d+)", connection.request().text)[1])
                heir = int(connection.request("/heir").text)
            try:
                hive.kill9(pid)
                hive.wait_status(lambda found: pid not in [worker["pid"] for worker in found["workers"]], "its end")
                self.assert_serving(hive, 2)
                hive.stop()
            finally:
                os.kill(heir, signal.SIGKILL)

    def test_listener_given_back_with_a_connection_on_its_way(self):
        with hostile(workers=1) as hive:
            hive.wait_ready(1)
            url = hive.url
            with Connection(url) as connection:
                self.assertEqual(connection.request("/late").text, "waiting\n")
                with Connection(url) as late:
                    self.assertTrue(late.closed_by_peer())
            other = hive.wait_status(lambda found: found["listeners"] and found["listeners"][0]["url"] != url,
                                     "the other listener")["listeners"][0]
            self.assertEqual(other["queued"], 0)
            self.assertIn("Hello from Python", hive.get(url=other["url"]).text)
            hive.stop()

    def test_garbage(self):
        self.check_fatal("link-garbage")

    def test_array_bomb(self):
        self.check_fatal("link-array-bomb")

    def test_wrong_channel(self):
        self.check_fatal("link-wrong-channel")

    def test_wrong_type(self):
        self.check_fatal("link-wrong-type")

    def test_too_long(self):
        self.check_fatal("link-too-long")

    def test_hello_again(self):
        self.check_harmless("link-hello-again")

    def test_taken_more_than_was_sent(self):
        self.check_harmless("link-taken-too-much")

    def test_finished_more_than_was_sent(self):
        self.check_harmless("link-finished-too-much")

    def test_refused_what_was_never_sent(self):
        self.check_harmless("link-refused-unknown")

    def test_unlisten_what_was_never_bound(self):
        self.check_harmless("link-unlisten-unknown")


def sockets(folder):
    return sorted(path for path in Path(folder).iterdir() if path.is_socket())


def try_as_stranger(path):
    """As another user: connects, greets as NNG does, asks for status. The process's id, and what it heard."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        heard = b""
        try:
            os.setgroups([])
            os.setgid(STRANGER)
            os.setuid(STRANGER)
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(10)
                sock.connect(str(path))
                protocol = wire.REQ if "control" in path.name else wire.PUSH if "outbox" in path.name else wire.SUB
                body = struct.pack(">I", 0x80000001) + wire.pack("status")
                greeting = b"\0SP\0" + struct.pack(">HH", protocol, 0)
                sock.sendall(greeting + b"\x01" + struct.pack(">Q", len(body)) + body)
                while data := sock.recv(4096):
                    heard += data
        except (BrokenPipeError, ConnectionResetError):
            pass
        except BaseException as error:  # a child of a test must never return into it
            heard = repr(error).encode()
        os.write(writer, heard[:4096])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        heard = pipe.read()
    os.waitpid(child, 0)
    return child, heard


class Strangers(Case):
    @unittest.skipIf(os.geteuid() != 0, "needs root, to become somebody else")
    def test_another_user_is_refused_on_every_socket(self):
        with hostile(workers=2) as hive:
            hive.wait_ready(2)
            os.chmod(hive.folder, 0o777)
            paths = sockets(hive.folder)
            self.assertEqual({path.name.split(".")[0] for path in paths}, {"control", "news", "outbox", "inbox"})
            for path in paths:
                self.assertEqual(path.stat().st_mode & 0o777, 0o600, path)
                path.chmod(0o666)
            for path in paths:
                pid, heard = try_as_stranger(path)
                self.assertLessEqual(len(heard), 8, f"{path.name}: {heard!r}")
                self.assertIn(heard[:4], (b"", b"\0SP\0"), f"{path.name}: {heard!r}")
                hive.wait_line(rf"\b{pid}\b.*\b{STRANGER}\b|\b{STRANGER}\b.*\b{pid}\b", stream="err")
            os.chmod(hive.folder, 0o700)
            self.assertEqual(self.bad_frames(hive), 0)
            self.assert_serving(hive, 2)
            hive.stop()

    def test_processes_that_are_no_workers(self):
        """The same user, but no worker: its bad frame is counted and its connection ends; nobody else's does."""
        with hostile(workers=2) as hive:
            before = {worker["id"]: worker["pid"] for worker in hive.wait_ready(2)["workers"]}
            outbox = next(path for path in sockets(hive.folder) if path.name.startswith("outbox"))
            for _ in range(2):
                pipe = wire.Pipe(f"ipc://{outbox}", wire.PUSH)
                pipe.send(b"\xc1")
                with self.assertRaises(ConnectionError):
                    pipe.receive()
                pipe.close()
            wait_until(lambda: self.bad_frames(hive) == 2, "two bad frames", context=hive.describe)
            hive.wait_line(rf"process {os.getpid()}\b.*disconnected", times=2)
            self.assert_serving(hive, 2)
            self.assertEqual(hive.pids(), before)
            hive.stop()

    def test_good_frames_of_no_worker_count_for_no_worker(self):
        with hostile(workers=1) as hive:
            hive.wait_ready(1)
            outbox = next(path for path in sockets(hive.folder) if path.name.startswith("outbox"))
            pipe = wire.Pipe(f"ipc://{outbox}", wire.PUSH)
            pipe.send(wire.pack("incrementRequestCount", n=1000000))
            pipe.send(wire.pack("message", name="x", to=1, request=1))
            pipe.send(b"\xc1")
            wait_until(lambda: self.bad_frames(hive) == 1, "what came after it", context=hive.describe)
            self.assertLess(hive.status()["workers"][0]["requests"], 1000)
            self.assertEqual(hive.status()["totals"]["messages"], 0)
            pipe.close()
            hive.stop()


class Control(Case):
    BODIES = [b"", b"\xc1", bytes.fromhex("dd05000000"), b"\x80", wire.pack("nope"),
              wire.pack("hello", protocol=1, pid=1), wire.pack("stop", now=1), wire.pack("newsSince"),
              wire.pack("status")[:-1], b"\xc0" * 100000]

    def test_garbage_is_answered_with_failed(self):
        with hostile(workers=1) as hive:
            hive.wait_ready(1)
            asker = self.asker(hive)
            for body in self.BODIES:
                try:
                    answer = wire.unpack(asker.ask_raw(body))
                except ConnectionError:  # the third within a minute ended it
                    asker = self.asker(hive)
                    answer = wire.unpack(asker.ask_raw(body))
                self.assertEqual([command["cmd"] for command in answer], ["failed"], body[:40])
                self.assertGreater(answer[0]["status"], 0)
                self.assertTrue(answer[0]["reason"])
            asker = self.asker(hive)
            self.assertEqual(asker.ask("status")[0]["cmd"], "brokerStatus")
            hive.stop()

    def test_many_questions_in_one_message(self):
        """An answer must not grow beyond what a client receives, nor the broker with it."""
        with hostile(workers=1, env=without_quarantine()) as hive:
            hive.wait_ready(1)
            before = peak_rss_bytes(hive.pid)
            for question in (wire.pack("status"), wire.pack("newsSince", seq=0)):
                asker = self.asker(hive)
                self.assertTrue(wire.unpack(asker.ask_raw(question * (wire.MAX_FRAME // len(question)))))
                self.assertLess(peak_rss_bytes(hive.pid) - before, RSS_GROWTH_BYTES)
            self.assert_serving(hive, 1)
            hive.stop()

    def test_not_even_nng(self):
        with hostile(workers=1) as hive:
            hive.wait_ready(1)
            greeting = b"\0SP\0" + struct.pack(">HH", wire.REQ, 0)
            for data in (b"GET / HTTP/1.1\r\n\r\n", b"\0SP\0\xff\xff\0\0", b"\0SP\0", greeting + b"\x02" + b"\xff" * 8,
                         greeting + b"\x01" + b"\xff" * 8, greeting + b"\x01" + struct.pack(">Q", 2) + b"ab",
                         greeting + b"\x01" + struct.pack(">Q", 2 ** 32) + b"\xc0" * 100):
                for path in sockets(hive.folder):
                    with socket.socket(socket.AF_UNIX) as sock:
                        sock.settimeout(10)
                        sock.connect(str(path))
                        try:
                            sock.sendall(data)
                            sock.shutdown(socket.SHUT_WR)
                            while sock.recv(4096):
                                pass
                        except OSError:
                            pass
            self.assert_serving(hive, 1)
            hive.stop()

    def test_many_requests_that_nobody_waits_for(self):
        with hostile(workers=1) as hive:
            hive.wait_ready(1)
            for _ in range(50):
                asker = self.asker(hive)
                asker.pipe.send(struct.pack(">I", 0x80000001) + wire.pack("status"))
                asker.close()
            self.assert_serving(hive, 1)
            hive.stop()


class Gone(Case):
    def test_messages_for_a_worker_that_was_killed(self):
        with hostile(workers=2) as hive:
            pids = {worker["id"]: worker["pid"] for worker in hive.wait_ready(2)["workers"]}
            with Connection(hive.url) as connection:
                own = int(re.search(r"worker (\d+)", connection.request().text)[1])
                other = next(worker for worker in pids if worker != own)
                os.kill(pids[other], signal.SIGKILL)
                hive.wait_status(lambda found: other not in [worker["id"] for worker in found["workers"]], "its end")
                self.assertIn('"status": 18', connection.request(f"/ask/{other}").text)
                connection.request(f"/tell/{other}")
                wait_until(lambda: f'{{"to": {other}, "status": 18}}' in connection.request("/state").text,
                           "the message to come back undelivered", context=hive.describe)
            hive.stop()


if __name__ == "__main__":
    unittest.main()
