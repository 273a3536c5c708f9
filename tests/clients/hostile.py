#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""worker.py gone bad: it serves as the other does until it is told, by HTTP, to send what no worker may send.

    GET /evil/KIND    sends one thing of that kind (OUTBOX, ANSWERS and LINK below) and answers, if it is still there
    GET /flood        sends a frame of unknown commands as large as a frame may be
    GET /heir         starts a process that keeps the link open for ever, and answers with its pid
    GET /late         gives the listener back while a connection is on its way, and refuses that one

--foreign ID:PROTOCOL makes the worker of that id say hello with another protocol version.
"""
import argparse
import os
import select
import signal
import sys

import msgpack

import wire
from wire import MAX_FRAME, pack
from worker import Worker, Rejected, options


def values_bomb():
    """A frame of the largest size whose every byte is a value."""
    head = bytes.fromhex("82") + msgpack.packb("cmd") + msgpack.packb("message") + msgpack.packb("x") + b"\xdd"
    count = MAX_FRAME - len(head) - 4
    return head + count.to_bytes(4, "big") + b"\xc0" * count


OUTBOX = {
    "garbage": b"\xc1\xff\x00garbage",
    "empty": b"",
    "array-bomb": bytes.fromhex("dd05000000"),
    "map-bomb": bytes.fromhex("81a178dfffffffff"),
    "bin-bomb": bytes.fromhex("81a178c6ffffffff"),
    "values-bomb": values_bomb(),
    "nested": bytes.fromhex("81a178") + b"\x91" * 100000 + b"\xc0",
    "truncated": pack("incrementRequestCount", n=70000)[:-1],
    "no-cmd": msgpack.packb({"n": 1}),
    "wrong-type": pack("incrementRequestCount", n="one"),
    "negative": pack("incrementRequestCount", n=-1),
    "over-limit": pack("incrementCount", name="x" * 65),
    "needed-missing": pack("message", data=b""),
    "wrong-channel": pack("ready"),
    "to-workers-only": pack("requestCount", requestCount=1),
    "answer-negative": pack("completed", delivery=-1),
    "times-nonsense": pack("handled", what="job", times=b"\x80"),
    "times-beyond": pack("handled", what="job", times=bytes.fromhex("d21c01")),
    "times-too-many": pack("handled", what="job", times=bytes.fromhex("00ffffffffffffffffff010001")),
    "results-bomb": bytes.fromhex("83") + b"".join(map(msgpack.packb, ("cmd", "completed", "delivery", 1, "results")))
                    + bytes.fromhex("dd05000000"),
    "results-no-list": pack("completed", delivery=1, results=b"x"),
    "results-too-many": pack("completed", delivery=1, results=[b""] * (wire.MAX_LIST + 1)),
    "results-too-few": pack("completed", delivery=1, n=1000, results=[b"x"]),
    "results-not-bytes": pack("completed", delivery=1, results=[b"x", [b"y"]]),
    "jobs-by-a-worker": pack("jobs", queue="q", delivery=1, id=1, lease_ms=1, jobs=[b"x"]),
    "submit-by-a-worker": pack("client", client=1) + pack("submit", queue="q", number=1, jobs=[b"x"]),
    "good-then-bad": pack("incrementRequestCount", n=1000000) + b"\xc1",
}

# Well-formed, and about deliveries that never were
ANSWERS = {
    "answer-nothing": b"".join(pack(answer, delivery=number) for number in (0, 1, 2 ** 63, 2 ** 64 - 1)
                               for answer in ("completed", "retry", "fail", "released", "extend")),
    "answer-everything": b"".join(pack(answer, delivery=number, n=2 ** 32 - 1) for number in (0, 1, 2 ** 64 - 1)
                                  for answer in ("completed", "released")),
    "answer-again-and-again": pack("completed", delivery=7) * 50000,
}

LINK = {
    "link-handle-wrong-type": pack("handle", queue=7),
    "link-handle-over-limit": pack("handle", queue="x" * 65),
    "link-handle-nothing": pack("handle", queue="", concurrency=0),
    "link-handle-much": b"".join(pack("handle", queue=f"queue-{number}") for number in range(1500)),
    "link-garbage": b"\xc1\xff\x00garbage",
    "link-array-bomb": bytes.fromhex("dd05000000"),
    "link-wrong-channel": pack("stop"),
    "link-wrong-type": pack("taken", through="all"),
    "link-too-long": pack("incrementRequestCount") + b"\xc0" * (wire.MAX_LINK + 1),
    "link-hello-again": pack("hello", protocol=wire.PROTOCOL, pid=1),
    "link-taken-too-much": pack("taken", through=2 ** 64 - 1),
    "link-finished-too-much": pack("taken", finished=2 ** 32 - 1),
    "link-refused-unknown": pack("refused", connection=2 ** 63),
    "link-unlisten-unknown": pack("unlisten", listener=4000000000),
}


class Hostile(Worker):
    def do_evil(self, client, kind):
        if kind in LINK:
            self.link.send(LINK[kind])
        elif kind in ANSWERS:
            self.outbox.send(ANSWERS[kind])
        elif kind == "oversized":
            self.oversized()
        else:
            self.outbox.send(OUTBOX[kind])
        client.answer("done\n")

    def oversized(self):
        """A message beyond what is received at all ends the connection; a good worker would connect again."""
        try:
            self.outbox.send(b"\x80" * (MAX_FRAME + 1))
        except OSError:
            pass
        self.outbox.close()
        self.outbox = wire.Pipe(self.outbox_url, wire.PUSH)

    def do_heir(self, client, _):
        heir = os.fork()
        if heir == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            while True:
                signal.pause()
        client.answer(f"{heir}\n")

    def do_late(self, client, _):
        """The link stays unread until a connection waits there; then the broker hears `unlisten` first."""
        client.answer("waiting\n")
        select.select([self.link], [], [])
        number, = self.listeners
        self.link.send(pack("unlisten", listener=number))
        self.link.send(pack("listen", request=2, url="tcp://127.0.0.1:0", index=1))
        refused = []
        while len(self.listeners) < 2:
            commands, fds = self.link.receive()
            for fd in fds:
                os.close(fd)
            refused += [command["connection"] for command in commands if command["cmd"] == "connection"]
            self.listeners.update({command["listener"]: None for command in commands if command["cmd"] == "listening"})
        self.link.send(*[pack("refused", connection=connection) for connection in refused])
        self.link.send(pack("taken", through=max(refused)))

    def do_flood(self, client, _):
        one = pack("from-the-future")
        self.outbox.send(one * (MAX_FRAME // len(one)))
        client.answer("done\n")


def main():
    parser = options(argparse.ArgumentParser())
    parser.add_argument("--foreign", default="0:0")
    args = parser.parse_args()
    foreign, protocol = map(int, args.foreign.split(":"))
    own = int(os.environ["SKEP_WORKER_ID"])
    try:
        worker = Hostile(args.name, protocol if own == foreign else wire.PROTOCOL)
    except Rejected as reason:
        print(f"rejected: {reason}", flush=True)
        sys.exit(1)
    worker.listen(args.listen)
    worker.ready()
    worker.run()


if __name__ == "__main__":
    main()
