#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A worker in another language, by docs/protocol.md: serves HTTP on the connections that it is handed.

    skep run -n 2 -- /usr/bin/python3 tests/clients/worker.py --listen tcp://127.0.0.1:0

    GET /             a greeting with the worker's id and pid
    GET /state        what the worker has seen, as JSON: id, pid, requestCount, undelivered, broadcasts, served
    GET /ask/ID       sends a request to worker ID and answers with its reply
    GET /ask/@NAME    the same to one of the workers of a name
    GET /tell/ID      sends a message without request; what cannot be delivered shows in /state
    GET /broadcast/X  sends a broadcast named X to all
    GET /unlisten     gives the listener back
    GET /disconnect   leaves voluntarily
    GET /vanish       closes the link once something has come that it does not read; the process lives on
"""
import argparse
import json
import os
import select
import selectors
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire  # noqa: E402
from wire import pack  # noqa: E402

ETIMEDOUT, ENOHANDLER = 7, 19
REQUEST_TIMEOUT_S = 5


class Rejected(Exception):
    """The broker does not want this worker."""


class Client:
    """One HTTP connection."""

    def __init__(self, worker, sock):
        self.worker, self.sock, self.buffer = worker, sock, b""
        sock.setblocking(True)
        worker.watch(sock, self.readable)

    def readable(self):
        try:
            data = self.sock.recv(65536)
        except OSError:
            data = b""
        if not data:
            return self.close()
        self.buffer += data
        while self.sock.fileno() >= 0 and b"\r\n\r\n" in self.buffer:
            head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
            self.request(head.decode("latin-1"))

    def request(self, head):
        line, *headers = head.split("\r\n")
        self.last = "connection: close" in (header.lower() for header in headers)
        self.begun_ns = time.monotonic_ns()
        self.worker.served += 1
        self.worker.unreported_requests += 1
        self.worker.route(self, line.split()[1])

    def answer(self, text, status="200 OK"):
        last = self.last or self.worker.draining
        close = "Connection: close\r\n" if last else ""
        body = text.encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n{close}\r\n"
        self.worker.unreported_ns.append(time.monotonic_ns() - self.begun_ns)
        try:
            self.sock.sendall(head.encode() + body)
        except OSError:
            last = True
        if last:
            self.close()

    def idle(self):
        return not self.buffer and all(client is not self for client, _ in self.worker.asking.values())

    def close(self):
        if self.sock.fileno() < 0:
            return
        self.worker.unwatch(self.sock)
        self.sock.close()
        self.worker.clients.discard(self)
        self.worker.unreported_finished += 1


class Worker:
    def __init__(self, name=None, protocol=wire.PROTOCOL):
        self.selector = selectors.DefaultSelector()
        self.clients, self.listeners, self.resting = set(), {}, set()
        self.asking, self.requests = {}, 0
        self.served = self.unreported_requests = self.unreported_finished = self.unreported_accepted = 0
        self.unreported_ns = []  # how long each request took
        self.request_count, self.undelivered, self.broadcasts = None, [], []
        self.draining = self.left = self.repairing = False
        self.link = wire.Link()
        self.page = wire.Page()
        self.join(name, protocol)

    # --- joining ---

    def join(self, name, protocol):
        generation = os.environ.pop("SKEP_GENERATION", None)
        os.environ.pop("SKEP_WORKER_ID", None)
        self.link.send(pack("hello", protocol=protocol, pid=os.getpid(), name=name,
                            generation=int(generation) if generation else None))
        message = self.link.receive()
        if message is None:
            raise Rejected("the link ended before welcome")
        answer = message[0][0]
        if answer["cmd"] != "welcome":
            raise Rejected(answer["reason"])
        self.id = answer["worker"]
        self.news_seq = self.news_seen = answer["newsSeq"]
        self.beat_s = answer["beat_ms"] / 1000 if "beat_ms" in answer else None
        self.inbox = wire.Pipe(answer["inbox"], wire.PULL)
        self.outbox_url = answer["outbox"]
        self.outbox = wire.Pipe(self.outbox_url, wire.PUSH)
        self.news = wire.Pipe(answer["news"], wire.SUB)
        self.repair()  # what was said between welcome and now
        self.watch(self.link, self.link_readable)
        self.watch(self.inbox, lambda: self.frames(self.inbox))
        self.watch(self.news, lambda: self.frames(self.news))

    def listen(self, url):
        """Asks for a listener and waits for the answer."""
        self.link.send(pack("listen", request=1, url=url, index=0))
        while not self.listeners and not self.draining:
            self.link_readable()

    def ready(self):
        self.page.beat()
        self.link.send(pack("ready"))

    # --- the loop ---

    def watch(self, thing, readable):
        self.selector.register(thing, selectors.EVENT_READ, readable)

    def unwatch(self, thing):
        self.selector.unregister(thing)

    def run(self):
        while not self.left:
            if self.beat_s:
                self.page.beat()
            for key, _ in self.selector.select(0.1 if self.asking and not self.beat_s else self.beat_s):
                if key.fileobj.fileno() >= 0:
                    key.data()
            self.expire()
            self.report()
            if self.draining and not self.clients and not self.asking:
                self.leave()

    def expire(self):
        for request, (_, deadline) in list(self.asking.items()):
            if time.monotonic() >= deadline:
                self.on_reply({"request": request, "status": ETIMEDOUT})

    def report(self):
        """Counts, durations and ended connections, together at the end of each turn."""
        if self.unreported_requests:
            self.outbox.send(pack("incrementRequestCount", n=self.unreported_requests))
        if self.unreported_ns:
            self.outbox.send(pack("handled", what="request", times=wire.pack_times(self.unreported_ns)))
            self.unreported_ns = []
        if self.unreported_finished or self.unreported_accepted:
            self.tell_link(pack("taken", finished=self.unreported_finished or None,
                                accepted=self.unreported_accepted or None))
        self.unreported_requests = self.unreported_finished = self.unreported_accepted = 0

    def tell_link(self, *commands):
        try:
            self.link.send(*commands)
        except OSError:
            self.left = True  # the broker has gone, and takes its workers along

    def leave(self):
        """Nothing is live any more: ending the link says so."""
        self.outbox.close()
        self.link.close()
        self.left = True

    # --- the link ---

    def link_readable(self):
        message = self.link.receive()
        if message is None:
            self.left = self.draining = True
            return
        commands, fds = message
        through, answers = None, []
        for command in commands:
            cmd = command.get("cmd")
            if cmd == "connection":
                through = command["connection"]
                self.take(command, fds.pop(0) if fds else None, answers)
            elif cmd == "listening":
                self.listening(command, fds.pop(0) if command.get("shared") and fds else None)
            elif cmd == "listenFailed":
                raise OSError(f"{command['reason']} (status {command['status']})")
            elif cmd == "rest":
                self.rest(command["listener"], command["paused"])
            elif cmd == "drain":
                self.drain()
        for fd in fds:
            os.close(fd)
        if through is not None:
            self.tell_link(*answers, pack("taken", through=through))

    def take(self, command, fd, answers):
        if fd is not None and command["listener"] in self.listeners:
            self.clients.add(Client(self, socket.socket(fileno=fd)))
            return
        if fd is not None:
            os.close(fd)
        answers.append(pack("refused", connection=command["connection"]))

    def listening(self, command, fd):
        sock = socket.socket(fileno=fd) if fd is not None else None
        self.listeners[command["listener"]] = sock
        if sock is not None:
            sock.setblocking(False)
            self.watch(sock, lambda: self.accept(sock))

    def rest(self, number, paused):
        """A listener that we accept from is paused, or goes on."""
        sock = self.listeners.get(number)
        if sock is None or paused == (number in self.resting):
            return
        if paused:
            self.resting.add(number)
            self.unwatch(sock)
        else:
            self.resting.discard(number)
            self.watch(sock, lambda: self.accept(sock))

    def accept(self, listener):
        try:
            sock, _ = listener.accept()
        except OSError:
            return  # a sibling was faster
        self.unreported_accepted += 1
        self.clients.add(Client(self, sock))

    def drain(self):
        self.draining = True
        self.close_listeners()
        for client in list(self.clients):
            if client.idle():
                client.close()

    def close_listeners(self):
        for number, sock in self.listeners.items():
            if sock is not None:
                if number not in self.resting:
                    self.unwatch(sock)
                sock.close()
        self.listeners, self.resting = {}, set()

    # --- inbox, news, outbox ---

    def frames(self, pipe):
        try:
            frames = pipe.receive_ready()
        except OSError:
            return self.unwatch(pipe)  # the broker has gone; the link says so too
        for frame in frames:
            for command in unpack_known(frame):
                handler = getattr(self, "on_" + command["cmd"], None)
                if handler:
                    handler(command)

    def on_requestCount(self, command):
        self.request_count = command["requestCount"]

    def on_message(self, command):
        if "request" not in command:
            return
        known = command["name"] == "echo"
        self.outbox.send(pack("reply", request=command["request"], to=command.get("from") or None,
                              status=None if known else ENOHANDLER, data=command.get("data") if known else None))

    def on_reply(self, command):
        client, _ = self.asking.pop(command["request"], (None, None))
        if client is not None:
            status, data = command.get("status", 0), command.get("data", b"")
            client.answer(json.dumps({"status": status, "data": data.decode()}))

    def on_undelivered(self, command):
        self.undelivered.append({"to": command.get("to", command.get("toName")), "status": command["status"]})

    def repair(self):
        """Asks again for every item after the latest one in order."""
        if not self.repairing:
            self.repairing = True
            self.outbox.send(pack("newsSince", seq=self.news_seq))

    def is_next(self, command):
        """Whether a news item is the next one. One too early shows a gap, one that comes again is not news."""
        self.news_seen = max(self.news_seen, command["seq"])
        if command["seq"] > self.news_seq + 1:
            self.repair()
        if command["seq"] != self.news_seq + 1:
            return False
        self.news_seq += 1
        return True

    def on_event(self, command):
        self.is_next(command)

    on_totals = on_event

    def on_broadcast(self, command):
        if self.is_next(command):
            self.broadcasts.append({"from": command["from"], "name": command["name"]})

    def on_newsEnd(self, command):
        self.repairing = False
        self.news_seq = max(self.news_seq, command["seq"])
        if self.news_seen > self.news_seq:
            self.repair()  # news overtook the answer

    # --- what HTTP asks for ---

    def route(self, client, path):
        _, verb, *rest = (path + "/").split("/")
        act = getattr(self, "do_" + (verb or "hello"), None)
        if act is None:
            client.answer("not here\n", "404 Not Found")
        else:
            act(client, rest[0] if rest else "")

    def do_hello(self, client, _):
        client.answer(f"Hello from Python worker {self.id}, pid {os.getpid()}\n")

    def do_state(self, client, _):
        client.answer(json.dumps({"id": self.id, "pid": os.getpid(), "served": self.served,
                                  "requestCount": self.request_count, "undelivered": self.undelivered,
                                  "broadcasts": self.broadcasts}))

    def do_ask(self, client, whom):
        self.requests += 1
        self.asking[self.requests] = client, time.monotonic() + REQUEST_TIMEOUT_S
        self.outbox.send(pack("message", name="echo", data=b"from Python", request=self.requests, **address(whom)))

    def do_tell(self, client, whom):
        self.outbox.send(pack("message", name="note", data=b"", **address(whom)))
        client.answer("told\n")

    def do_broadcast(self, client, name):
        self.outbox.send(pack("message", name=name, toAll=True))
        client.answer("told all\n")

    def do_unlisten(self, client, _):
        for number in self.listeners:
            self.tell_link(pack("unlisten", listener=number))
        self.close_listeners()
        client.answer("no longer listening\n")

    def do_disconnect(self, client, _):
        self.tell_link(pack("disconnect"))
        client.answer("leaving\n")
        self.drain()

    def do_vanish(self, client, _):
        client.answer("gone\n")
        select.select([self.link], [], [])
        self.link.close()
        signal.pause()


def address(whom):
    return {"toName": whom[1:]} if whom.startswith("@") else {"to": int(whom)}


def unpack_known(frame):
    return [command for command in wire.unpack(frame) if isinstance(command, dict) and "cmd" in command]


def options(parser):
    parser.add_argument("--listen", required=True)
    parser.add_argument("--name")
    return parser


def main():
    args = options(argparse.ArgumentParser()).parse_args()
    worker = Worker(args.name)
    worker.listen(args.listen)
    worker.ready()
    worker.run()


if __name__ == "__main__":
    main()
