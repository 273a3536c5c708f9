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

from faults import is_sanitized
from hive import Connection, Hive, is_alive, wait_until

CLIENTS = Path(__file__).resolve().parent.parent / "clients"
sys.path.insert(0, str(CLIENTS))
import hostile as kinds  # noqa: E402
import msgpack  # noqa: E402
import wire  # noqa: E402

PYTHON = "/usr/bin/python3"
RSS_GROWTH_BYTES = (32 if is_sanitized() else 16) * 1024 * 1024  # the sanitizer of gcc 14 needs up to 19 of its own
STRANGER = 65534
MAX_QUEUES, EQUEUES = 1024, 34


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
            self.assertEqual(hive.count(r"worker 2 .*error: .*protocol 99"), 1, hive.describe())
            self.assert_serving(hive, 2)
            hive.stop()


class Shared(Case):
    """Three workers for all tests of a class. Who sends three bad frames is replaced; so is who sent two, afterwards, so
    that the next test begins from none."""
    hive = events = None

    def setUp(self):
        if type(self).hive is None:
            type(self).hive = hostile(workers=3, options=["--stable", 0.001])  # nobody's end is a quick failure
            type(self).hive.__enter__()
            type(self).hive.wait_ready(3)
            type(self).events = follow(type(self).hive)

    def end_hive(self, *failure):
        ended, type(self).hive = type(self).hive, None
        ended.__exit__(*(failure or (None, None, None)))

    @classmethod
    def tearDownClass(cls):
        hive, cls.hive = cls.hive, None
        if hive is not None:
            hive.wait_ready(3)
            hive.stop()
            hive.__exit__(None, None, None)

    def check_fatal(self, kind):
        try:
            self.check_two_and_three(self.hive, kind)
        except BaseException as error:  # the next test shall not suffer from it
            self.end_hive(type(error), error, error.__traceback__)
            raise

    def check_two_and_three(self, hive, kind):
        hive.wait_ready(3)
        before, status = hive.pids(), hive.status()["totals"]
        suspect, _ = self.evil(hive, kind, 2)
        wait_until(lambda: self.bad_frames(hive) == status["bad_frames"] + 2, "two bad frames", context=hive.describe)
        self.assertEqual(hive.pids(), before)
        worker, pid = self.evil(hive, kind, 3)
        left = self.events.wait_event(lambda event: event["event"] == "exit" and event["worker"]["pid"] == pid)
        self.assertEqual((left["worker"]["id"], left["reason"]), (worker, "protocol"))
        self.assert_serving(hive, 3)
        self.assert_siblings_stayed(hive, before, worker)
        self.assertEqual(self.bad_frames(hive), status["bad_frames"] + 5)
        self.assertLess(hive.status()["totals"]["requests"], status["requests"] + 1000)
        hive.wait_line(rf"worker {worker} \D*{pid}\b.*frame")
        hive.kill9(before[suspect])
        hive.wait_status(lambda found: suspect not in [one["id"] for one in found["workers"]], "a worker without fault")


class Outbox(Shared):
    """Three bad frames within a minute end the worker that sent them; one or two do not."""


def add_outbox_tests():
    for kind in sorted(set(kinds.OUTBOX) - {"good-then-bad"}):
        setattr(Outbox, "test_" + kind.replace("-", "_"), lambda self, kind=kind: self.check_fatal(kind))


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


class LinkFatal(Shared):
    """What is malformed counts as it does on the outbox."""

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

    def test_handle_wrong_type(self):
        self.check_fatal("link-handle-wrong-type")

    def test_handle_over_limit(self):
        self.check_fatal("link-handle-over-limit")


class Link(Case):
    """What is merely wrong does no harm."""

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
        """A process that inherited the link keeps it open after the worker's death, which is what counts; it ends too."""
        with hostile(workers=2) as hive:
            hive.wait_ready(2)
            with Connection(hive.url) as connection:
                pid = int(re.search(r"pid (\d+)", connection.request().text)[1])
                heir = int(connection.request("/heir").text)
            hive.kill9(pid)
            hive.wait_status(lambda found: pid not in [worker["pid"] for worker in found["workers"]], "its end")
            wait_until(lambda: not is_alive(heir), "the end of what belonged to it", context=hive.describe)
            self.assert_serving(hive, 2)
            hive.stop()

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

    def test_handle_nothing(self):
        self.check_harmless("link-handle-nothing")

    def test_handle_more_queues_than_there_may_be(self):
        with hostile(workers=2) as hive:
            hive.wait_ready(2)
            self.evil(hive, "link-handle-much")
            wait_until(lambda: len(self.asker(hive).ask("queues")) == MAX_QUEUES, "no more queues",
                       context=hive.describe)
            self.assert_serving(hive, 2)
            hive.stop()


class Answers(Case):
    """Answers to deliveries that never were. Each is said many times over."""

    def check(self, kind):
        with hostile(workers=2, env=without_quarantine()) as hive:
            hive.wait_ready(2)
            before, peak = hive.pids(), peak_rss_bytes(hive.pid)
            self.evil(hive, kind, 5)
            self.assert_serving(hive, 2)
            self.assertEqual(hive.pids(), before)
            self.assertEqual(self.bad_frames(hive), 0)
            self.assertLess(peak_rss_bytes(hive.pid) - peak, RSS_GROWTH_BYTES)
            hive.stop()


def add_answers_tests():
    for kind in kinds.ANSWERS:
        setattr(Answers, "test_" + kind.replace("-", "_"), lambda self, kind=kind: self.check(kind))


add_answers_tests()


class Joined:
    """A client that has joined, and what it hears."""

    def __init__(self, case, hive):
        joined, = case.asker(hive).ask("join")
        self.client, self.intake_url = joined["client"], joined["intake"]
        self.returns = wire.Pipe(joined["returns"], wire.PULL)
        self.intake = wire.Pipe(self.intake_url, wire.PUSH)
        self.number = 0
        for pipe in (self.returns, self.intake):
            case.addCleanup(pipe.close)

    def say(self, body):
        """A frame of this client's; by a new connection if the last one was ended for what it brought."""
        frame = wire.pack("client", client=self.client) + body
        for last in (False, True):
            try:
                return self.intake.send(frame)
            except OSError:
                if last:
                    raise
                self.intake.close()
                self.intake = wire.Pipe(self.intake_url, wire.PUSH)

    def submit_good(self):
        """Submits a job; its number."""
        self.number += 1
        self.say(wire.pack("submit", queue="good", number=self.number, jobs=[b"good"]))
        return self.number

    def hear(self, cmd):
        """The next command of this name."""
        while True:
            for command in wire.unpack(self.returns.receive()):
                if command["cmd"] == cmd:
                    return command


class Intake(Case):
    """A client that has joined and goes bad. Others do not notice."""
    SUBMIT = {"queue": "q", "number": 1}
    BODIES = {
        "garbage": b"\xc1\xff",
        "array-bomb": bytes.fromhex("dd05000000"),
        "bin-bomb": bytes.fromhex("81a178c6ffffffff"),
        "nested": bytes.fromhex("81a178") + b"\x91" * 100000 + b"\xc0",
        "values-bomb": kinds.values_bomb()[:2 * 1024 * 1024],
        "jobs-bomb": bytes.fromhex("82") + b"".join(map(msgpack.packb, ("cmd", "submit", "jobs")))
                     + bytes.fromhex("dd00ffffff"),
        "truncated": wire.pack("submit", **SUBMIT, jobs=[b"x"])[:-1],
        "no-list": wire.pack("submit", **SUBMIT, jobs=b"x"),
        "no-jobs": wire.pack("submit", **SUBMIT),
        "too-many": wire.pack("submit", **SUBMIT, jobs=[b""] * (wire.MAX_LIST + 1)),
        "too-large": wire.pack("submit", **SUBMIT, jobs=[b"x" * (1024 * 1024 + 1)]),
        "not-bytes": wire.pack("submit", **SUBMIT, jobs=[b"x", None]),
        "key-too-long": wire.pack("submit", **SUBMIT, jobs=[b"x"], keys=[b"x" * 65]),
        "queue-too-long": wire.pack("submit", queue="x" * 65, number=1, jobs=[b"x"]),
        "priority": wire.pack("submit", **SUBMIT, jobs=[b"x"], priority=256),
        "keys-too-few": wire.pack("submit", **SUBMIT, jobs=[b"x", b"y"], keys=[b"k"]),
        "number-0": wire.pack("submit", queue="q", number=0, jobs=[b"x"]),
        "no-queue": wire.pack("submit", queue="", number=1, jobs=[b"x"]),
        "another-client": wire.pack("client", client=2 ** 32 - 1) + wire.pack("submit", **SUBMIT, jobs=[b"x"]),
        "client-0": wire.pack("client", client=0) + wire.pack("submit", **SUBMIT, jobs=[b"x"]),
        "wrong-channel": wire.pack("stop"),
        "answer": wire.pack("completed", delivery=1),
        "join": wire.pack("join"),
    }
    HARMLESS = {
        "nothing": wire.pack("submit", **SUBMIT, jobs=[]),
        "number-last": wire.pack("submit", queue="q", number=2 ** 64 - 1, jobs=[b"x", b"y"]),
        "message-to-nobody": wire.pack("message", name="x", to=2 ** 32 - 1) * 100,
        "unknown": wire.pack("from-the-future") * 1000,
    }

    def assert_good(self, hive, client):
        number = client.submit_good()
        self.assertEqual(client.hear("accepted")["number"], number)
        self.assert_serving(hive, 1)

    def test_bad_frames(self):
        with hostile(workers=1, env=without_quarantine()) as hive:
            hive.wait_ready(1)
            good = Joined(self, hive)
            self.assert_good(hive, good)
            peak = peak_rss_bytes(hive.pid)
            for count, (kind, body) in enumerate(self.BODIES.items(), 1):
                with self.subTest(kind):
                    bad = Joined(self, hive)
                    bad.say(body)
                    wait_until(lambda: self.bad_frames(hive) == count, f"bad frame {count}", context=hive.describe)
                    self.assert_good(hive, good)
                    self.assertLess(peak_rss_bytes(hive.pid) - peak, RSS_GROWTH_BYTES)
            hive.wait_line(rf"\b{os.getpid()}\b", stream="err")
            hive.stop()

    def test_well_formed_nonsense(self):
        with hostile(workers=1) as hive:
            hive.wait_ready(1)
            good = Joined(self, hive)
            for kind, body in self.HARMLESS.items():
                with self.subTest(kind):
                    Joined(self, hive).say(body)
                    self.assert_good(hive, good)
            self.assertEqual(self.bad_frames(hive), 0)
            hive.stop()

    def test_frames_of_nobody(self):
        """Without `client`, or by a client that is not there."""
        with hostile(workers=1) as hive:
            hive.wait_ready(1)
            good = Joined(self, hive)
            frames = (wire.pack("submit", **self.SUBMIT, jobs=[b"x"]), wire.pack("leave"),
                      wire.pack("client", client=4000000000) + wire.pack("submit", **self.SUBMIT, jobs=[b"x"]),
                      wire.pack("client", client=4000000000) + wire.pack("leave"))
            for number, frame in enumerate(frames, 1):
                pipe = wire.Pipe(good.intake_url, wire.PUSH)
                pipe.send(frame)
                wait_until(lambda: self.bad_frames(hive) == number, "it to be counted", context=hive.describe)
                pipe.close()
                self.assert_good(hive, good)
            self.assertEqual([queue["name"] for queue in self.asker(hive).ask("queues")], ["good"])
            hive.stop()

    def test_more_queues_than_there_may_be(self):
        with hostile(workers=1) as hive:
            hive.wait_ready(1)
            bad = Joined(self, hive)
            bad.say(b"".join(wire.pack("submit", queue=f"queue-{number}", number=number, jobs=[b"x"])
                             for number in range(1, MAX_QUEUES + 101)))
            self.assertEqual(bad.hear("declined")["status"], EQUEUES)
            self.assertEqual(len(self.asker(hive).ask("queues")), MAX_QUEUES)
            self.assert_serving(hive, 1)
            hive.stop()

    def test_a_client_that_never_listens(self):
        """Submits the same thing for ever, and reads nothing: what waits for it must not grow for ever."""
        with hostile(workers=1, env=without_quarantine()) as hive:
            hive.wait_ready(1)
            good, deaf = Joined(self, hive), Joined(self, hive)
            peak = peak_rss_bytes(hive.pid)
            deaf.intake.sock.settimeout(1)
            again = wire.pack("submit", **self.SUBMIT, jobs=[b"x"]) * 1000
            for _ in range(300):
                try:
                    deaf.say(again)
                except OSError:
                    break  # the broker has had enough of it
            self.assert_good(hive, good)
            self.assertLess(peak_rss_bytes(hive.pid) - peak, RSS_GROWTH_BYTES)
            hive.stop()

    def test_not_even_nng(self):
        with hostile(workers=1) as hive:
            hive.wait_ready(1)
            good = Joined(self, hive)
            for path in sockets(hive.folder):
                if path.name.split(".")[0] in ("intake", "returns"):
                    with socket.socket(socket.AF_UNIX) as sock:
                        sock.connect(str(path))
                        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            # A client that went away in its greeting may have made NNG's listener deaf: it is opened anew, and so are
            # the connections of those who were there.
            wait_until(lambda: self.can_submit(hive), "a client that can submit", context=hive.describe)
            hive.stop()

    def can_submit(self, hive):
        try:
            self.assert_good(hive, Joined(self, hive))
        except OSError:
            return False
        return True


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
                protocols = {"control": wire.REQ, "outbox": wire.PUSH, "intake": wire.PUSH, "news": wire.SUB}
                protocol = protocols.get(path.name.split(".")[0], wire.PULL)
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
            self.asker(hive).ask("join")
            os.chmod(hive.folder, 0o777)
            paths = sockets(hive.folder)
            self.assertEqual({path.name.split(".")[0] for path in paths},
                             {"control", "news", "outbox", "inbox", "intake", "returns"})
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
        """The same user, but no worker: its bad frames are counted, until it is ignored from now on; others are."""
        with hostile(workers=2) as hive:
            before = {worker["id"]: worker["pid"] for worker in hive.wait_ready(2)["workers"]}
            outbox = next(path for path in sockets(hive.folder) if path.name.startswith("outbox"))
            pipes = [wire.Pipe(f"ipc://{outbox}", wire.PUSH) for _ in range(2)]
            for pipe in pipes:
                for _ in range(10):
                    pipe.send(b"\xc1")
            wait_until(lambda: self.bad_frames(hive) == 6, "three bad frames of each", context=hive.describe)
            hive.wait_line(rf"process {os.getpid()}\b.*ignored from now on", times=2)
            for pipe in pipes:
                pipe.close()
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
              wire.pack("status")[:-1], b"\xc0" * 100000, wire.pack("peek"), wire.pack("peek", queue="q", n=501),
              wire.pack("peek", queue="nope"), wire.pack("deadLetters", n=501), wire.pack("deadLetters", queue="nope"),
              wire.pack("reviveDead", id=-1), wire.pack("reviveDead", id=1), wire.pack("dropDead", queue=b"a\0b"),
              wire.pack("submit", queue="q", number=1, jobs=[b"x"])]

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
            for question in (wire.pack("status"), wire.pack("newsSince", seq=0), wire.pack("queues"),
                             wire.pack("join")):
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
