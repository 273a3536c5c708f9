# SPDX-License-Identifier: MIT
"""A broker that does as a test tells it, for tests of the command alone: what it answers, how much of it, and when it
vanishes. It speaks what docs/protocol.md describes and shares no code with Skep.

    with FakeBroker() as broker:
        broker.answers["queues"] = lambda question: pack("done")
        done = broker.skep("queues")
        self.assertEqual(broker.asked, [{"cmd": "queues"}])
"""
import contextlib
import fcntl
import os
import shutil
import socket
import struct
import sys
import tempfile
import threading
from pathlib import Path

from hive import Process, program, run, wait_until

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "clients"))
from wire import PUB, PULL, PUSH, REP, pack, unpack  # noqa: E402

__all__ = ["FakeBroker", "FakeHive", "pack", "unpack", "broker_status", "queue", "job"]
GENERATION = 7


def broker_status(**more):
    """One brokerStatus, of this process; what is not told is 0."""
    counts = ("newsSeq", "uptime_ms", "accepted", "requests", "connections", "restarts", "messages", "badFrames",
              "unknown", "redispatched")
    fields = {"name": "default", "pid": os.getpid(), "version": "0", "state": "running", "policy": "round-robin",
              "news": "ipc:///nowhere"}
    return pack("brokerStatus", **{**fields, **{count: 0 for count in counts}, **more})


def queue(name, **more):
    """One queueStatus; what is not told is 0."""
    counts = ("workers", "ready", "reserved", "delayed", "dead", "submitted", "done", "redelivered", "duplicates",
              "declined", "refused", "unclaimed", "bytes", "oldest_ms")
    return pack("queueStatus", **{"name": name, **{count: 0 for count in counts}, **more})


def job(number, **more):
    """One jobStatus."""
    fields = {"queue": "mail", "state": "ready", "priority": 128, "attempt": 1, "deaths": 0, "age_ms": 1000, "size": 2,
              "data": b"hi"}
    return pack("jobStatus", **{"id": number, **fields, **more})


class Listener:
    """One end of NNG's wire that others dial; on_message(connection, body) runs on the connection's thread."""

    def __init__(self, path, protocol, on_message=None):
        self.protocol, self.on_message = protocol, on_message
        self.accepted = []     # sockets
        self.connections = []  # those of them whose other end has greeted
        self.closed = False
        self.connected = threading.Event()
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(path)
        self.sock.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.sock.accept()
                self.accepted.append(connection)
                if self.closed:  # meanwhile
                    self._end(connection)
                connection.sendall(b"\0SP\0" + struct.pack(">HH", self.protocol, 0))
                threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection):
        with contextlib.suppress(OSError), connection.makefile("rb") as stream:
            stream.read(8)
            self.connections.append(connection)
            self.connected.set()
            while head := stream.read(9):
                body = stream.read(struct.unpack(">Q", head[1:])[0])
                if self.on_message:
                    self.on_message(connection, body)

    @staticmethod
    def send(connection, body):
        with contextlib.suppress(OSError):
            connection.sendall(b"\x01" + struct.pack(">Q", len(body)) + body)

    def send_to_all(self, body, timeout_s=10):
        """Waits for somebody to dial before."""
        self.connected.wait(timeout_s)
        for connection in list(self.connections):
            self.send(connection, body)

    @staticmethod
    def _end(sock):
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()

    def close(self):
        """Ends those, too, that are in the midst of their greeting."""
        self.closed = True
        for sock in [self.sock, *self.accepted]:
            self._end(sock)


class FakeBroker:
    """answers: by the question's cmd, a function that makes the answer of it, bytes as they are; None: it gives none.
    submitted(command): the commands to return, bytes each, for one submit command. message(command): for a message."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="skep-", dir="/tmp")
        self.answers = {"join": self.join}
        self.asked = []     # questions on the control socket
        self.taken = []     # commands from the intake
        self.last_id = 0
        self.clients = 0
        self.returns = None
        self.listeners = []
        self.lock = os.open(self.path("lock"), os.O_RDWR | os.O_CREAT, 0o600)
        os.write(self.lock, f"{os.getpid()} {GENERATION} default\n".encode())
        fcntl.fcntl(self.lock, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        self.listen_for_questions()
        self.listen(f"intake.{GENERATION}", PULL, self._intake)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.vanish()
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def listen(self, name, protocol, on_message=None):
        self.listeners.append(Listener(self.path(name), protocol, on_message))
        return self.listeners[-1]

    def listen_for_questions(self):
        return self.listen(f"control.{GENERATION}", REP, self._question)

    def vanish(self):
        """As if it had been killed: its sockets and its lock are gone."""
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None
        for listener in self.listeners:
            listener.close()

    # --- what it is asked ---

    def _question(self, connection, body):
        header, question = body[:4], unpack(body[4:])[0]
        self.asked.append(question)
        make = self.answers.get(question["cmd"], lambda _: pack("failed", status=15, reason="not understood"))
        answer = make(question)
        if answer is not None:
            Listener.send(connection, header + answer)

    def join(self, _):
        self.clients += 1
        returns = f"returns.{GENERATION}.{self.clients}"
        self.returns = self.listen(returns, PUSH)
        return pack("joined", client=self.clients, generation=GENERATION,
                    intake=f"ipc://{self.path(f'intake.{GENERATION}')}", returns=f"ipc://{self.path(returns)}",
                    news=f"ipc://{self.path(f'news.{GENERATION}')}")

    # --- what clients send ---

    def _intake(self, _, body):
        for command in unpack(body):
            self.taken.append(command)
            answers = {"submit": self.submitted, "message": self.message}.get(command["cmd"], lambda _: [])(command)
            if answers:
                self.returns.send_to_all(b"".join(answers))

    def submitted(self, command):
        """Accepts, and if outcomes are wanted every result is the payload in capitals."""
        first, count = command["number"], len(command["jobs"])
        answers = [pack("accepted", number=first, n=count, id=self.take_ids(count))]
        if command.get("outcomes"):
            answers.append(pack("finished", number=first, results=[data.upper() for data in command["jobs"]]))
        return answers

    def take_ids(self, count):
        first = self.last_id + 1
        self.last_id += count
        return first

    def message(self, command):
        """Nobody is there."""
        return [pack("reply", request=command["request"], status=18)] if "request" in command else []

    def jobs(self):
        """All payloads that were submitted."""
        return [data for command in self.taken if command["cmd"] == "submit" for data in command["jobs"]]

    # --- the command ---

    def skep(self, *arguments, input=None):
        """Runs `skep ARGUMENTS --dir DIR` to its end."""
        if input is None:
            return run("skep", *arguments, "--dir", self.folder)
        path = Path(self.path("input"))
        path.write_bytes(input)
        return run("/bin/sh", "-c", 'exec "$@" <"$0"', path, program("skep"), *arguments, "--dir", self.folder)

    def start(self, *arguments):
        """The same in the background."""
        return Process([program("skep"), *map(str, arguments), "--dir", self.folder])


class FakeHive(FakeBroker):
    """One with workers, a dictionary of what workerStatus tells by id, and with news. about: more for brokerStatus."""

    def __init__(self, *ready):
        super().__init__()
        self.workers = {number: {} for number in ready}
        self.about = {}
        self.items = []         # of news, from number 1 on
        self.telling = threading.Lock()
        self.answers.update(status=self.status, newsSince=self.since, queues=lambda _: pack("done"))
        self.news = self.listen(f"news.{GENERATION}", PUB)

    def status(self, _):
        broker = broker_status(**{"uptime_ms": 1000, "newsSeq": len(self.items), **self.about})
        return broker + b"".join(self.worker(*one) for one in sorted(self.workers.items()))

    @staticmethod
    def worker(number, more):
        counts = ("restarts", "connections", "accepted", "requests", "messages", "rss_bytes")
        fields = {"pid": 1000 + number, "state": "ready", "uptime_ms": 1000, "slot": number - 1}
        return pack("workerStatus", **{"worker": number, **fields, **{count: 0 for count in counts}, **more})

    def since(self, question):
        return b"".join(self.items[question["seq"]:]) + pack("newsEnd", seq=len(self.items))

    def tell(self, event, **fields):
        """An event for all that follow the news."""
        with self.telling:
            self.items.append(pack("event", seq=len(self.items) + 1, time=1767225600000, event=event, **fields))
            for connection in list(self.news.connections):
                Listener.send(connection, self.items[-1])

    def wait_asked(self, command):
        """The first question of that name, once it came."""
        return wait_until(lambda: next((one for one in self.asked if one["cmd"] == command), None), f"asked {command}")
