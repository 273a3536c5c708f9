# SPDX-License-Identifier: MIT
"""What tests of faults, policies and listeners need beside hive.py: workers that do as they are told
(programs/actor.c), clients that wait in numbers, stopped processes, descriptors and processor time of a broker, and a
load with a memory.

    with actors("tcp://127.0.0.1:0", workers=2) as hive, stopped(hive.pids()[1]):
        clients = crowd(hive.url, 10)
        self.assertEqual(ids(answers(clients)), {2})
"""
import contextlib
import ctypes
import os
import random
import selectors
import signal
import socket
import subprocess
import threading
import time
from http import HTTPStatus
from pathlib import Path

from hive import DEADLINE_S, Connection, Hive, program, wait_until

TCP = "tcp://127.0.0.1:0"
RESTING = "resting"  # the client's connection is open and nothing has come


def actor_path():
    """The worker of programs/actor.c, in $SKEP_TEST_BIN or where the build puts it beside $SKEP_BIN."""
    folder = os.environ.get("SKEP_TEST_BIN")
    return str(Path(folder or Path(program("skep")).parent.parent / "tests/integration").resolve() / "actor")


def is_sanitized():
    return b"__asan_init" in Path(program("skep")).read_bytes()


# How long a thing may take that is promised within a second; programs with a sanitizer are several times slower.
PROMPT_S = 5 if is_sanitized() else 1


def actors(*urls, **options):
    """skep run -- actor URL..., with the options of Hive."""
    return Hive(actor_path(), *urls, **options)


# --- clients ---


class Client:
    """A connection to an actor. source is the address that it comes from."""

    def __init__(self, url, source=None, timeout_s=DEADLINE_S):
        if url.startswith("unix://"):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout_s)
            self.sock.connect(url[len("unix://"):])
        else:
            host, _, port = url.removeprefix("tcp://").rpartition(":")
            self.sock = socket.create_connection((host.strip("[]"), int(port)), timeout_s, source and (source, 0))
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def say(self, line):
        self.sock.sendall(line.encode() + b"\n")

    def hear(self):
        """The next line; ConnectionError if the connection ends instead."""
        while b"\n" not in self.rest:
            data = self.sock.recv(4096)
            if not data:
                raise ConnectionError(f"connection ended after {self.rest!r}")
            self.rest += data
        line, _, self.rest = self.rest.partition(b"\n")
        return line.decode()

    def ask(self, line="id"):
        self.say(line)
        return self.hear()

    def worker(self):
        """Id of the worker that has this connection."""
        return int(self.ask("id").split()[0])


def ask(url, line="id", source=None):
    """Asks on a connection of its own."""
    with Client(url, source) as client:
        return client.ask(line)


def worker_at(url, source=None):
    """Id of the worker that a new connection reaches."""
    return int(ask(url, "id", source).split()[0])


def refuses(url):
    """Whether nobody listens there."""
    try:
        Client(url).close()
    except (ConnectionRefusedError, FileNotFoundError):
        return True
    except ConnectionResetError:  # it closed in the middle of our handshake: somebody still listened
        return False
    return False


def crowd(url, count, line="id"):
    """count clients that have connected and asked; none has read its answer yet."""
    clients = [Client(url) for _ in range(count)]
    for client in clients:
        client.say(line)
    return clients


def disperse(clients):
    for client in clients:
        client.close()


def answers(clients, deadline_s=DEADLINE_S, enough=None):
    """What each client heard within the deadline: a line, RESTING, or an exception that ended its connection.

    Returns as soon as enough of them (all, if None) have heard or ended."""
    heard = [RESTING] * len(clients)
    end = time.monotonic() + deadline_s
    with selectors.DefaultSelector() as waiting:
        for index, client in enumerate(clients):
            waiting.register(client.sock, selectors.EVENT_READ, index)
        while len(clients) - len(waiting.get_map()) < (len(clients) if enough is None else enough):
            ready = waiting.select(max(0, end - time.monotonic()))
            if not ready:
                break
            for key, _ in ready:
                waiting.unregister(key.fileobj)
                try:
                    heard[key.data] = clients[key.data].hear()
                except OSError as error:
                    heard[key.data] = error
    return heard


def resting(heard):
    """Indices of those who have heard nothing."""
    return [index for index, what in enumerate(heard) if what is RESTING]


def workers_of(heard):
    """The workers' ids, in order, of those who were answered; fails on a connection that ended."""
    for what in heard:
        if isinstance(what, OSError):
            raise AssertionError(f"a connection ended: {what!r}; all: {heard}")
    return [int(what.split()[0]) for what in heard if what is not RESTING]


# --- processes ---


def process_state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@contextlib.contextmanager
def stopped(*pids):
    """The processes stand still meanwhile; they may be gone at the end."""
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        for pid in pids:
            wait_until(lambda: process_state(pid) == "T", f"pid {pid} to stop")
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def descriptors(pid):
    """How many descriptors a process has."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def visitors(hive, name):
    """How many connections there are to the broker's socket of a name such as "control"."""
    rows = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    return sum(row[5] == "03" and row[-1].startswith(f"{hive.folder}/{name}.") for row in rows)


def nng_goes_deaf():
    version = ctypes.CDLL("libnng.so.1").nng_version
    version.restype = ctypes.c_char_p
    return [int(part) for part in version().split(b".")[:2]] < [1, 6]


def quiet_descriptors(hive):
    """How many descriptors a broker has when nobody asks it anything. Clients leave theirs a moment after they have
    gone. With NNG before 1.6 those of its own connections to its sockets stay, which it makes two seconds after its
    start (lib/transport/nng.h)."""
    seen, own = [], 1 if os.environ.get("SKEP_TRANSPORT") == "nng" and nng_goes_deaf() else 0

    def look():
        is_quiet = visitors(hive, "control") == visitors(hive, "intake") == own
        seen.append(descriptors(hive.pid) if is_quiet else None)
        return seen[-1] if seen[-5:] == [seen[-1]] * 5 else None
    return wait_until(look, "a steady number of descriptors", context=lambda: f"{seen[-5:]}\n{held(hive.pid)}")


def held(pid):
    """The descriptors of a process, for people."""
    return subprocess.getoutput(f"ls -l /proc/{pid}/fd")


def wait_descriptors(hive, baseline):
    wait_until(lambda: descriptors(hive.pid) == baseline, f"{baseline} descriptors in the broker",
               context=lambda: f"{descriptors(hive.pid)}\n{held(hive.pid)}")


def processor_s(pid):
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def kernel_queue(port):
    """Connections that wait in the kernel to be accepted, over all sockets that listen on an IPv4 port."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    listening = [row for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port]
    return sum(int(row[4].split(":")[1], 16) for row in listening)


def quiet_port():
    """A free port that the kernel gives to nobody who asks for any."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(10000, lowest)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def port_of(url):
    return int(url.rpartition(":")[2])


# --- status ---


def replaced(hive, count, workers):
    """The status once so many replacements have happened and all workers are ready."""
    return hive.wait_status(
        lambda status: status["totals"]["restarts"] >= count and len(status["workers"]) == workers
        and {worker["state"] for worker in status["workers"]} == {"ready"}, f"{count} replacements")


def by_id(status, key):
    return {worker["id"]: worker[key] for worker in status["workers"]}


# --- load ---


class Request:
    def __init__(self, began_s, ended_s, worker, error):
        self.began_s, self.ended_s, self.worker, self.error = began_s, ended_s, worker, error

    def __repr__(self):
        return f"{self.began_s:.3f}..{self.ended_s:.3f}: {self.error or self.worker}"


class Clients:
    """Threads that run from the beginning of a with statement until they have ended after its end."""

    def __init__(self, count, patience_s):
        self._ended, self._patience_s = threading.Event(), patience_s
        self._threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(count)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self.join()

    def join(self):
        for thread in self._threads:
            thread.join(self._patience_s)


class Load(Clients):
    """Clients that ask, each on a new connection, one request after the other, until it is ended; it remembers all.

    A request that has no answer after timeout_s hangs. With until_refused a client leaves when nobody listens any more.
    """

    def __init__(self, url, clients=8, timeout_s=DEADLINE_S, until_refused=False):
        super().__init__(clients, timeout_s * 2)
        self.requests = []
        self._url, self._timeout_s, self._until_refused = url, timeout_s, until_refused

    def wait_done(self, count):
        """Until so many more requests have been answered."""
        goal = len(self.answered) + count
        wait_until(lambda: len(self.answered) >= goal, f"{count} more answers under load",
                   context=lambda: str(self.failed))

    @property
    def answered(self):
        return [request for request in list(self.requests) if request.error is None]

    @property
    def failed(self):
        return [request for request in list(self.requests) if request.error is not None]

    @property
    def hung(self):
        return [request for request in self.failed if isinstance(request.error, TimeoutError)]

    def _run(self, _):
        while not self._ended.is_set():
            began_s = time.monotonic()
            try:
                with Client(self._url, timeout_s=self._timeout_s) as client:
                    request = Request(began_s, time.monotonic(), client.worker(), None)
            except (ConnectionRefusedError, FileNotFoundError) as error:
                if self._until_refused:
                    return
                request = Request(began_s, time.monotonic(), None, error)
            except OSError as error:
                request = Request(began_s, time.monotonic(), None, error)
            request.ended_s = time.monotonic()
            self.requests.append(request)


class HttpLoad(Clients):
    """Clients that ask without a pause until it is ended, half of them each time on a connection of their own, the
    others on one that they keep until the server says that it closes it. What fails is in failed. With until_refused a
    client leaves when nobody listens any more."""

    def __init__(self, url, clients=4, until_refused=False):
        super().__init__(clients, 2 * DEADLINE_S)
        self.failed, self.done, self.reopened = [], [0] * clients, 0
        self._url, self._until_refused = url, until_refused

    def wait_more(self, count=5):
        """Until each client was served so many times more."""
        goals = [done + count for done in self.done]
        wait_until(lambda: self.failed or all(done >= goal for done, goal in zip(self.done, goals)),
                   f"{count} more answers for each client")

    def _run(self, n):
        while not self._ended.is_set():
            try:
                with Connection(self._url) as connection:
                    self._ask(connection, n)
            except (OSError, ValueError) as error:
                if self._until_refused and isinstance(error, ConnectionRefusedError):
                    return
                self.failed.append((n, repr(error)))

    def _ask(self, connection, n):
        fresh = n % 2 == 0
        while not self._ended.is_set():
            response = connection.request(close=fresh)
            if response.status != HTTPStatus.OK:
                self.failed.append((n, response.status))
            self.done[n] += 1
            if response.headers.get("connection", "").lower() == "close":
                self.reopened += not fresh
                return


class Totals:
    """Asks for the totals and checks that they never go back."""

    KEYS = ("accepted", "requests", "restarts", "messages", "redispatched")

    def __init__(self, hive):
        self._hive = hive
        self.last = {key: 0 for key in self.KEYS}

    def look(self):
        status = self._hive.status()
        now = {key: status["totals"][key] for key in self.KEYS}
        back = {key: (self.last[key], now[key]) for key in self.KEYS if now[key] < self.last[key]}
        if back:
            raise AssertionError(f"totals went back: {back}")
        self.last = now
        return status
