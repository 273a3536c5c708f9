#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""skep events: what a real broker tells, and what becomes of it when a scripted one misbehaves."""
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import unittest

import msgpack

from hive import Hive, Process, program, run, wait_until

LISTEN = ("--listen", "tcp://127.0.0.1:0")
FOLLOWS = r"^skep: events of \S+ in \S+ from number (\d+) on$"
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def follow(test, folder, *options):
    """skep events, subscribed when this returns."""
    process = Process([program("skep"), "events", "--dir", folder, *options])
    test.addCleanup(process.end)
    process.first = int(process.wait_line(FOLLOWS, stream="err").group(1))
    return process


def objects(process):
    return [json.loads(line) for line in process.output("out").split("\n") if line]


class Real(unittest.TestCase):
    def test_json_tells_the_life_of_a_worker_in_order(self):
        with Hive("hello", *LISTEN) as hive:
            hive.wait_ready(2)
            url, pid = hive.url, hive.pids()[1]
            events = follow(self, hive.folder, "--json")
            hive.kill9(pid)
            events.wait_line('"event":"ready"')
            hive.stop()
            self.assertEqual(events.wait_exit(), 0, events.describe())
            found = objects(events)
        self.assertGreaterEqual(found[0]["seq"], events.first)
        numbers = [event["seq"] for event in found]
        self.assertEqual(numbers, sorted(set(numbers)))
        for event in found:
            self.assertRegex(event["time"], rf"^{STAMP}$")
        killed = [event for event in found if event.get("worker") == {"id": 1, "pid": pid}]
        self.assertEqual(sorted(event["event"] for event in killed), ["disconnect", "exit"])
        ended = next(event for event in killed if event["event"] == "exit")
        self.assertEqual((ended["code"], ended["signal"], ended["reason"]), (None, "SIGKILL", "crashed"))
        self.assertGreaterEqual(ended["delay_ms"], 0)
        parted = next(event for event in killed if event["event"] == "disconnect")
        self.assertIn(parted["reason"], ("lost", "crashed"))  # the link's end may come first
        born = [event for event in found if event.get("worker", {}).get("id") == 3]
        self.assertEqual([event["event"] for event in born[:4]], ["fork", "online", "listening", "ready"])
        self.assertEqual(born[2]["url"], url)
        left = next(event for event in born if event["event"] == "exit")
        self.assertEqual((left["code"], left["signal"], left["reason"], left["delay_ms"]), (0, None, "voluntary", None))
        self.assertEqual(next(event["reason"] for event in born if event["event"] == "disconnect"), "voluntary")
        stop = next(event for event in found if event["event"] == "stop")
        self.assertNotIn("worker", stop)

    def test_text_is_worded_as_the_log_is(self):
        with Hive("hello", *LISTEN) as hive:
            hive.wait_ready(2)
            events = follow(self, hive.folder)
            hive.kill9(hive.pids()[2])
            events.wait_line("worker 3 pid .*: ready")
            hive.stop()
            self.assertEqual(events.wait_exit(), 0)
            said = [re.sub(f"^{STAMP} ", "", line) for line in events.output("out").split("\n")]
            log = [re.sub(f"^{STAMP} ", "", line) for line in hive.output("err").split("\n")]
        self.assertGreater(len(said), 6)
        self.assertEqual([line for line in said if line not in log], [])
        self.assertIn("broker: stopping", said)

    def test_a_broker_that_vanishes_is_told(self):
        with Hive("hello", *LISTEN) as hive:
            hive.wait_ready(2)
            events = follow(self, hive.folder)
            hive.kill9(hive.pid)
            self.assertEqual(events.wait_exit(), 69)
            self.assertRegex(events.output("err").split("\n")[-1], rf"^skep: broker pid {hive.pid} in {hive.folder}: ")

    def test_stop_now_is_a_stop_too(self):
        with Hive("hello", *LISTEN) as hive:
            hive.wait_ready(2)
            events = follow(self, hive.folder)
            self.assertEqual(hive.skep("stop", "--now").code, 0)
            self.assertEqual(events.wait_exit(), 0, events.describe())

    def test_signals_end_it(self):
        with Hive("hello", *LISTEN) as hive:
            hive.wait_ready(2)
            for sig in (signal.SIGINT, signal.SIGTERM):
                events = follow(self, hive.folder)
                os.kill(events.pid, sig)
                self.assertEqual(events.wait_exit(), 0)
            hive.stop()

    def test_a_reader_that_leaves_ends_it_quietly(self):
        with Hive("hello", *LISTEN) as hive:
            hive.wait_ready(2)
            reader, writer = os.pipe()
            events = subprocess.Popen([program("skep"), "events", "--dir", hive.folder], stdout=writer,
                                      stderr=subprocess.PIPE, text=True)
            self.addCleanup(events.kill)
            os.close(writer)
            self.assertRegex(events.stderr.readline(), FOLLOWS)
            os.close(reader)
            self.assertEqual(events.wait(20), 0)
            self.assertEqual(events.stderr.read(), "")
            events.stderr.close()
            hive.stop()

    def test_output_that_cannot_be_written_is_a_failure(self):
        with Hive("hello", *LISTEN) as hive, open("/dev/full", "w") as full:
            hive.wait_ready(2)
            events = subprocess.Popen([program("skep"), "events", "--dir", hive.folder], stdout=full,
                                      stderr=subprocess.PIPE, text=True)
            self.addCleanup(events.kill)
            self.assertRegex(events.stderr.readline(), FOLLOWS)
            hive.kill9(hive.pids()[1])
            self.assertEqual(events.wait(20), 71)
            self.assertRegex(events.stderr.read(), r"\Askep: events: stdout: .*\n\Z")
            events.stderr.close()
            hive.stop()


# --- A scripted broker: NNG's wire format on plain sockets ---

PUB, REP = 0x20, 0x31


def receive_exactly(peer, size):
    data = b""
    while len(data) < size:
        more = peer.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def receive_message(peer):
    kind, size = struct.unpack(">BQ", receive_exactly(peer, 9))
    assert kind == 1
    return receive_exactly(peer, size)


def send_message(peer, body):
    peer.sendall(struct.pack(">BQ", 1, len(body)) + body)


class FakeBroker:
    """Owns a directory, answers status and newsSince, sends those news items that it is told to send."""

    def __init__(self, kept=(), lost=0):
        self.folder = tempfile.mkdtemp(prefix="skep-", dir="/tmp")
        self.kept, self.lost, self.asked = list(kept), lost, []
        self.silent = 0  # questions for news that it does not answer
        self.lock = open(f"{self.folder}/lock", "w")
        fcntl.lockf(self.lock, fcntl.LOCK_EX)
        self._own(7)
        self.subscriber = threading.Event()
        self.listeners = [self._serve("control", REP, self._answer), self._serve("news", PUB, self._subscribe)]

    def _own(self, generation):
        """Each broker in a directory has sockets of a new generation."""
        self.lock.seek(0)
        self.lock.write(f"{os.getpid()} {generation} fake\n")
        self.lock.flush()

    def _serve(self, name, protocol, handler):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{self.folder}/{name}.7")
        listener.listen()

        def accept():
            with contextlib.suppress(OSError, EOFError):
                while True:
                    peer = listener.accept()[0]
                    peer.sendall(b"\x00SP\x00" + struct.pack(">HH", protocol, 0))
                    receive_exactly(peer, 8)
                    handler(peer)
        threading.Thread(target=accept, daemon=True).start()
        return listener

    def _subscribe(self, peer):
        self.peer = peer
        self.subscriber.set()

    def _answer(self, peer):
        def serve():
            with contextlib.suppress(OSError, EOFError):
                while True:
                    request = receive_message(peer)
                    answer = self._commands(msgpack.unpackb(request[4:]))
                    if answer is not None:
                        send_message(peer, request[:4] + b"".join(map(msgpack.packb, answer)))
        threading.Thread(target=serve, daemon=True).start()

    def _commands(self, asked):
        if asked["cmd"] == "status":
            counts = ("newsSeq", "accepted", "requests", "connections", "restarts", "messages", "badFrames", "unknown",
                      "redispatched", "strayAnswers", "uptime_ms")
            return [{"cmd": "brokerStatus", "name": "fake", "pid": os.getpid(), "version": "0", "state": "running",
                     "policy": "round-robin", "news": "ipc://", **dict.fromkeys(counts, 0)}]
        if asked["cmd"] == "stop":
            self._own(8)
            return [{"cmd": "done"}]
        self.asked.append(asked["seq"])
        if self.silent > 0:
            self.silent -= 1
            return None
        latest = max([item["seq"] for item in self.kept], default=0)
        return [*(item for item in self.kept if item["seq"] > asked["seq"]),
                {"cmd": "newsEnd", "seq": latest, **({"lost": self.lost} if self.lost else {})}]

    def send(self, *items):
        assert self.subscriber.wait(20)
        send_message(self.peer, b"".join(map(msgpack.packb, items)))

    def vanish(self):
        """As if it had been killed."""
        self.lock.close()
        self.peer.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for listener in self.listeners:
            listener.close()
        self.lock.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def item(number, event="ready", **fields):
    return {"cmd": "event", "seq": number, "time": 1700000000000, "event": event, "worker": number, "pid": 99, **fields}


def totals(number):
    return {"cmd": "totals", "seq": number, "accepted": 0, "requests": 0, "connections": 0, "restarts": 0}


class Scripted(unittest.TestCase):
    def test_a_line_that_nobody_reads_ends_it_quietly(self):
        with FakeBroker() as broker:
            reader, writer = os.pipe()
            events = subprocess.Popen([program("skep"), "events", "--dir", broker.folder], stdout=writer,
                                      stderr=subprocess.PIPE, text=True)
            self.addCleanup(events.kill)
            os.close(writer)
            self.assertRegex(events.stderr.readline(), FOLLOWS)
            os.close(reader)
            with contextlib.suppress(OSError):  # if it has noticed already
                broker.send(item(1))
            self.assertEqual(events.wait(20), 0)
            self.assertEqual(events.stderr.read(), "")
            events.stderr.close()

    def numbers(self, events):
        return [event["seq"] for event in objects(events)]

    def wait_numbers(self, events, wanted):
        wait_until(lambda: len(self.numbers(events)) >= len(wanted), f"numbers {wanted}", context=events.describe)
        self.assertEqual(self.numbers(events), wanted)

    def test_a_gap_is_mended_in_order(self):
        with FakeBroker() as broker:
            events = follow(self, broker.folder, "--json")
            self.assertEqual(events.first, 1)
            broker.kept = [item(n) for n in range(1, 7)]
            broker.send(item(1), item(2), item(6))
            self.wait_numbers(events, [1, 2, 3, 4, 5, 6])
            self.assertIn(2, broker.asked)

    def test_a_gap_is_mended_once_the_broker_answers_again(self):
        with FakeBroker() as broker:
            events = follow(self, broker.folder, "--json")
            broker.kept = [item(n) for n in range(1, 5)]
            broker.silent = 1
            broker.send(item(1), item(4))
            self.wait_numbers(events, [1, 2, 3, 4])
            self.assertNotIn("lost", events.output("err"))

    def test_the_last_item_is_not_missed_when_silence_follows(self):
        with FakeBroker() as broker:
            events = follow(self, broker.folder, "--json")
            broker.kept = [item(1), totals(2), item(3)]
            self.wait_numbers(events, [1, 3])

    def test_items_that_are_no_longer_kept_are_told(self):
        with FakeBroker(lost=3) as broker:
            events = follow(self, broker.folder, "--json")
            broker.kept = [item(5), item(6)]
            broker.send(item(1), item(6))
            self.wait_numbers(events, [1, 5, 6])
            wait_until(lambda: "skep: events: 3 items are lost" in events.output("err"), "the loss to be told",
                       context=events.describe)

    def test_items_that_come_twice_and_items_that_are_no_events_are_left_out(self):
        with FakeBroker(kept=[item(1), totals(2), item(3)]) as broker:
            events = follow(self, broker.folder, "--json")
            broker.send(item(1), totals(2))
            broker.send(item(1), totals(2), item(3))
            self.wait_numbers(events, [1, 3])

    def test_it_ends_well_only_after_a_stop(self):
        for last, code in (("stop", 0), ("ready", 69)):
            with self.subTest(last=last), FakeBroker() as broker:
                events = follow(self, broker.folder)
                broker.kept = [item(1, last)]
                broker.send(item(1, last))
                events.wait_line(STAMP)
                broker.vanish()
                self.assertEqual(events.wait_exit(), code, events.describe())

    def test_stop_does_not_wait_for_the_successor_in_the_directory(self):
        with FakeBroker() as broker:
            self.assertEqual(run("skep", "stop", "--dir", broker.folder).code, 0)

    def test_hostile_text_stays_on_its_line(self):
        with FakeBroker() as broker:
            events = follow(self, broker.folder)
            broker.kept = [item(1, "error", reason="bad\n2000-01-01 \x1b[2J"), item(2, "exit", signal=64)]
            broker.send(*broker.kept)
            events.wait_line("worker 2 pid 99: killed by SIG64")
            self.assertEqual(len(events.output("out").split("\n")), 2)
            self.assertIn("error: bad?2000-01-01 ?[2J", events.output("out"))


if __name__ == "__main__":
    unittest.main()
