# SPDX-License-Identifier: MIT
"""Connections that are cut while both ends live, with what was on its way: each channel is made again, whoever has to
know is told, and nothing that was accepted is lost or done twice without a mark."""
import contextlib
import json
import socket
import struct
import unittest
from pathlib import Path

import cutter
import soak
from faults import process_state, stopped
from hive import Process, is_alive, program, wait_until
from jobs import DEADLINE_JOBS_S, LibraryClient, Submitter, Workers, ask, queue_status, wait_queue, wire
from ledger_check import violations

LARGE_BYTES = 300 * 1024
LEASE = ("--lease", "1", "--attempts", "50")


@unittest.skipUnless(cutter.may_cut(), "descriptors of other processes cannot be copied here")
class Case(unittest.TestCase):
    @contextlib.contextmanager
    def hive(self, *arguments, count=1, options=LEASE):
        with Workers(*(arguments or ("q",)), count=count, options=options) as hive:
            hive.wait_ready(count)
            self.events = hive.events()
            self.events.wait_line(r"from number \d+")
            yield hive
            self.assertEqual(soak.bad_frames(hive), 0)
            self.assertTrue(is_alive(hive.pid), hive.describe())
            hive.stop()

    def worker(self, hive):
        return next(iter(hive.pids().values()))

    def path(self, hive, channel):
        return f"{hive.folder}/{channel}."

    def wait_error(self, words):
        """Until an event says so."""
        wait_until(lambda: any(words in event.get("reason", "") for event in self.errors()), repr(words),
                   context=self.events.describe)

    def wait_cut(self, hive, times):
        """Until so many have been counted. Two cuts in a row may count as one, if the second comes before the new connection
        has been greeted; and they are said once a second at most."""
        wait_until(lambda: hive.status()["totals"]["cut"] >= times, f"{times} that were cut", context=hive.describe)

    def errors(self):
        return [event for event in self.events.all() if event["event"] == "error"]

    def lose(self, reader, path, peer):
        """Cuts while something is on its way, in the midst of traffic; loses it."""
        wait_until(lambda: cutter.cut_if_waiting(reader, path, peer), f"bytes on their way to {path}")

    def assert_kept(self, hive, client, **known):
        """Of a LibraryClient: all was answered, and the histories agree; what it counted."""
        found, counted, _ = soak.check(hive, client, known)
        self.assertEqual(found[:10], [])
        return counted


class Outbox(Case):
    def test_a_lost_acknowledgement(self):
        """The job is done again when its lease ends, and marked; the late connection acknowledges that."""
        with self.hive() as hive, Submitter(hive.folder) as submitter:
            worker = self.worker(hive)
            submitter.submit("q", 1, "keep 500 1")
            hive.wait_starts(1)
            lost = cutter.cut_full(hive.pid, self.path(hive, "outbox"), worker,
                                   until=lambda: any(line.startswith("done 1 ") for line in hive.log()))
            self.assertGreater(lost, 0)
            self.wait_error("its connection to its outbox was cut")
            submitter.wait_outcomes()
            self.assertEqual([words[3:5] for words in hive.starts(1)], [["1", "0"], ["2", "1"]])
            submitter.submit("q", 500)
            submitter.wait_outcomes()
            self.assertEqual(len(submitter.results), 501)
            self.assertEqual(violations(submitter.close_unknown(), hive.log()), [])
            self.assertEqual({event["worker"]["id"] for event in self.errors()}, {1})

    def test_in_the_midst_of_traffic(self):
        with self.hive("--talk", "q:20", count=2) as hive, LibraryClient(hive, 300, 20) as client:
            for _ in range(4):
                for worker in hive.pids().values():
                    self.lose(hive.pid, self.path(hive, "outbox"), worker)
            self.wait_cut(hive, 4)
            self.wait_error("outbox was cut")
            client.stop()
            counted = self.assert_kept(hive, client)
            self.assertEqual((counted["unknown"], counted["known"]), (0, 0))
            self.assertGreater(counted["repeats"], 0)


class Inbox(Case):
    def test_lost_jobs(self):
        """They do not wait for the end of a lease."""
        with self.hive(options=("--lease", "600")) as hive, Submitter(hive.folder) as submitter:
            worker = self.worker(hive)
            with stopped(worker):
                submitter.submit("q", 5)
                submitter.wait_answers()
                lost = cutter.cut_full(worker, self.path(hive, "inbox"), hive.pid)
            self.assertGreater(lost, 0)
            self.wait_error("its connection to its inbox was cut")
            submitter.wait_outcomes()
            self.assertEqual([hive.starts(key)[0][3:5] for key in range(1, 6)], [["1", "0"]] * 5)  # none had begun
            self.assertEqual(len(hive.starts()), 5)
            self.assertEqual(queue_status(hive, "q")["taken_back"], 2)  # with a credit of two jobs two were on their way
            submitter.submit("q", 500)
            submitter.wait_outcomes()
            self.assertEqual(violations(submitter.close_unknown(), hive.log()), [])

    def test_in_the_midst_of_traffic(self):
        with self.hive("--talk", "q:20", count=2) as hive, LibraryClient(hive, 300, 20) as client:
            for _ in range(4):
                for worker in hive.pids().values():
                    self.lose(worker, self.path(hive, "inbox"), hive.pid)
            self.wait_cut(hive, 4)
            self.wait_error("inbox was cut")
            client.stop()
            self.assert_kept(hive, client)


class Intake(Case):
    def test_each_submission_is_in_the_ledger_once(self):
        with self.hive("--talk", "q:20", options=()) as hive, LibraryClient(hive, 300, 20) as client:
            for _ in range(10):
                self.lose(hive.pid, self.path(hive, "intake"), client.pid)
            client.stop()
            counted = self.assert_kept(hive, client)
            self.assertEqual((counted["done"], counted["unknown"], counted["repeats"]), (counted["jobs"], 0, 0))
            self.assertGreater(counted["failed"], 0)  # requests that were lost, which nobody sends again


class Again(Case):
    """A peer whose connection has ended, and that has connected again before the broker has read all that it sent."""
    BYTES, MOST = 60 * 1024, 64

    def test_what_was_sent_first_is_read_first(self):
        with self.hive("q") as hive, Submitter(hive.folder) as submitter, contextlib.ExitStack() as opened:
            intake, = Path(hive.folder).glob("intake.*")
            messages = (wire.pack("client", client=submitter.client.id)
                        + wire.pack("message", name="said", to=1, data=b"0 %d " % number + bytes(self.BYTES))
                        for number in range(1, self.MOST))
            with stopped(hive.pid):
                first, again = (opened.enter_context(self.greet(intake)) for _ in range(2))
                self.fill(first, messages)
                first.close()
                again.sendall(self.framed(next(messages)))
            submitter.submit("q", 1)
            submitter.wait_outcomes()  # it has come after the last message, on the same way
            self.assertGreater(hive.status()["totals"]["messages"], 1)
            self.assertEqual([line for line in hive.log() if line.startswith("wrong ")], [])

    def greet(self, path):
        """Connects without waiting for the broker to greet."""
        sock = socket.socket(socket.AF_UNIX)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        sock.connect(str(path))
        sock.sendall(b"\0SP\0" + struct.pack(">HH", wire.PUSH, 0))
        return sock

    def framed(self, body):
        return b"\x01" + struct.pack(">Q", len(body)) + body

    def fill(self, sock, bodies):
        """Sends until no more is taken: the last one is cut off."""
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for body in bodies:
                frame = self.framed(body)
                if sock.send(frame) < len(frame):
                    return


class Returns(Case):
    JOBS = 1000

    def test_outcomes_that_may_be_lost_are_unknown(self):
        with self.hive("q:20", options=()) as hive:
            ask(hive, "pause", queue="q")
            with LibraryClient(hive, self.JOBS, count=2 * self.JOBS) as client:
                wait_queue(hive, "q", lambda status: status["submitted"] == self.JOBS, "the first half")
                cutter.cut(client.pid, self.path(hive, "returns"), hive.pid, losing=True)
                wait_queue(hive, "q", lambda status: status["submitted"] == 2 * self.JOBS, "the second half")
                self.wait_error("to its returns was cut")
                ask(hive, "resume", queue="q")
                counted = self.assert_kept(hive, client)
            self.assertEqual((counted["unknown"], counted["done"], counted["repeats"]), (self.JOBS, self.JOBS, 0))

    def test_in_the_midst_of_traffic(self):
        with self.hive("--talk", "q:20", options=()) as hive, LibraryClient(hive, 300, 20) as client:
            for _ in range(10):
                self.lose(client.pid, self.path(hive, "returns"), hive.pid)
            self.wait_cut(hive, 5)
            self.wait_error("to its returns was cut")
            client.stop()
            counted = self.assert_kept(hive, client)
            self.assertEqual(counted["repeats"], 0)
            self.assertGreater(counted["unknown"], 0)
            self.assertGreater(counted["known"], 0)  # submitted again, and known by their numbers


class News(Case):
    TIMES = 20

    def test_a_gap_is_repaired(self):
        with self.hive() as hive:
            for times in range(self.TIMES):
                self.wait_seen(2 * times)
                with stopped(self.events.pid):
                    ask(hive, "pause", queue="q")
                    cutter.cut_full(self.events.pid, self.path(hive, "news"), hive.pid)
                ask(hive, "resume", queue="q")
            self.wait_seen(2 * self.TIMES)
            self.assertEqual(self.seen(), ["pause", "resume"] * self.TIMES)

    def wait_seen(self, count):
        wait_until(lambda: len(self.seen()) == count, f"{count} events", context=self.events.describe)

    def seen(self):
        return [event["event"] for event in self.events.all() if event["event"] in ("pause", "resume")]


class Control(Case):
    def cut_question(self, hive, pid):
        """Cuts when the process waits for an answer of the broker, which stands still and has not accepted it yet."""
        def is_cut():
            with contextlib.suppress(LookupError):
                if process_state(pid) == "S":
                    cutter.cut(pid, self.path(hive, "control"))
                    return True
            return False
        wait_until(is_cut, "a question")

    def test_a_question_is_asked_again(self):
        with self.hive() as hive:
            with stopped(hive.pid):
                asker = Process([program("skep"), "status", "--json", "--dir", hive.folder], env=hive.env)
                self.cut_question(hive, asker.pid)
            self.assertEqual((asker.wait_exit(), asker.output("err")), (0, ""))
            self.assertEqual(json.loads(asker.output("out"))["pid"], hive.pid)
            asker.end()

    def test_a_client_joins_again(self):
        with self.hive("q:20") as hive:
            with stopped(hive.pid):
                client = LibraryClient(hive, 10, count=100)
                self.cut_question(hive, client.pid)
            with client:
                self.assertEqual(self.assert_kept(hive, client)["done"], 100)


class InTheMidstOfAFrame(Case):
    """The part that has arrived is dropped, and the frame comes again, whole."""

    def test_large_jobs_and_results(self):
        what = (f"large {LARGE_BYTES} 0", LARGE_BYTES)
        with self.hive("q:20", options=()) as hive, LibraryClient(hive, 30, what=what) as client:
            worker = self.worker(hive)
            ends = [("outbox", hive.pid, worker), ("inbox", worker, hive.pid), ("intake", hive.pid, client.pid),
                    ("returns", client.pid, hive.pid)]
            for channel, reader, peer in ends * 3:
                path = self.path(hive, channel)
                wait_until(lambda: cutter.cut_if_waiting(reader, path, peer, least_bytes=LARGE_BYTES // 8,
                                                         losing=False), f"a large frame on {channel}")
            client.stop()
            self.assertEqual(self.assert_kept(hive, client)["repeats"], 0)  # nothing was lost: no lease has ended


class Soak(Case):
    """A short one of soak.py."""
    SECONDS = 20

    def test_killed_and_cut(self):
        lines = []
        total = soak.soak(self.SECONDS, kills=5, cuts=2, round_s=self.SECONDS / 2,
                          say=lambda line, **_: lines.append(line))
        self.assertGreater(total["kills"], self.SECONDS, lines)
        self.assertGreater(sum(total[channel] for channel in soak.CHANNELS), self.SECONDS // 2, lines)
        self.assertGreater(total["done"], 1000, lines)


if __name__ == "__main__":
    unittest.main()
