# SPDX-License-Identifier: MIT
"""The harness of the integration tests: a running hive with its output, status and events, and a small HTTP client.

    with Hive("hello", "--listen", "tcp://127.0.0.1:0", workers=2) as hive:     # skep run -n 2 -- hello ...
        hive.wait_ready(2)
        self.assertIn("Hello", hive.get().text)
        hive.stop()

    with Hive("hello", "--listen", "tcp://127.0.0.1:0", primary=True) as hive:  # hello is its own primary

Programs are found in $SKEP_BIN. Nothing here sleeps for a fixed time hoping for the best: every wait has a condition
and a deadline, and a wait that fails says what it waited for and what was printed meanwhile. Leaving the `with` ends
everything that was started, removes the directory, and fails if a sanitizer complained.
"""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

DEADLINE_S = float(os.environ.get("SKEP_TEST_DEADLINE_S", "20"))
POLL_S = 0.02
SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:")


class Timeout(AssertionError):
    """A condition did not come true in time."""


def program(name):
    """Path of a program in $SKEP_BIN; an absolute path stays as it is."""
    if os.path.isabs(name):
        return name
    folder = os.environ.get("SKEP_BIN")
    if not folder:
        raise RuntimeError("SKEP_BIN is not set: it names the folder of skep and the workers, such as build/asan/bin")
    return str(Path(folder).resolve() / name)


def free_port():
    """A port that nobody listens on now. Prefer port 0 where the bound URL can be learnt."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def is_alive(pid):
    """Whether a process runs; a zombie does not, once its last thread, with which its files are closed, has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    fields = stat.rpartition(")")[2].split()
    return fields[0] not in "ZX" or int(fields[17]) > 1  # state; num_threads (proc(5))


def wait_until(predicate, what, deadline_s=DEADLINE_S, context=lambda: ""):
    """Returns the first true value of predicate(); raises Timeout with what and context() after the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= end:
            raise Timeout(f"after {deadline_s:g} s still waiting for {what}\n{context()}")
        time.sleep(POLL_S)


# --- HTTP ---


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode()


def connect(url, timeout_s=DEADLINE_S):
    """A stream socket connected to tcp://HOST:PORT (a star is taken for 127.0.0.1) or unix:///PATH."""
    if url.startswith("unix://"):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(timeout_s)
        sock.connect(url[len("unix://"):])
        return sock
    host, _, port = url.removeprefix("tcp://").rpartition(":")
    host = host.strip("[]")
    sock = socket.create_connection(("127.0.0.1" if host in ("", "*") else host, int(port)), timeout_s)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class Connection:
    """One HTTP/1.1 connection; request() may be called again as long as it is kept alive."""

    def __init__(self, url, timeout_s=DEADLINE_S):
        self.sock = connect(url, timeout_s)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def request(self, path="/", method="GET", close=False):
        self.send(path, method, close)
        return self.response()

    def send(self, path="/", method="GET", close=False):
        end = "Connection: close\r\n\r\n" if close else "\r\n"
        self.sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: skep\r\n{end}".encode())

    def response(self):
        lines = self._until(b"\r\n\r\n").decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        return Response(int(lines[0].split()[1]), headers, self._take(int(headers.get("content-length", "0"))))

    def closed_by_peer(self):
        """Waits for the end of the connection; True if it came without more data, False if data came."""
        return not self.rest and self.sock.recv(1) == b""

    def _until(self, mark):
        while mark not in self.rest:
            self._more()
        head, _, self.rest = self.rest.partition(mark)
        return head

    def _take(self, size):
        while len(self.rest) < size:
            self._more()
        body, self.rest = self.rest[:size], self.rest[size:]
        return body

    def _more(self):
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError(f"connection ended in the middle of a response, after {self.rest!r}")
        self.rest += data


def get(url, path="/", timeout_s=DEADLINE_S):
    """One GET on a connection of its own."""
    with Connection(url, timeout_s) as connection:
        return connection.request(path, close=True)


# --- Processes ---


class Process:
    """A process in its own group, its stdout and stderr read line by line into lines, as (stream, text)."""

    def __init__(self, argv, env=None, cwd=None):
        self.argv = argv
        self.lines = []
        self._changed = threading.Condition()
        self.popen = subprocess.Popen(argv, env=env, cwd=cwd, start_new_session=True, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._readers = [threading.Thread(target=self._read, args=(stream, name), daemon=True)
                         for stream, name in ((self.popen.stdout, "out"), (self.popen.stderr, "err"))]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self):
        return self.popen.pid

    def _read(self, stream, name):
        with stream:
            for line in stream:
                with self._changed:
                    self.lines.append((name, line.decode(errors="replace").rstrip("\n")))
                    self._changed.notify_all()

    def output(self, stream=None):
        with self._changed:
            return "\n".join(text for name, text in self.lines if stream in (None, name))

    def count(self, pattern):
        """How many lines match so far."""
        with self._changed:
            return sum(1 for _, text in self.lines if re.search(pattern, text))

    def wait_line(self, pattern, deadline_s=DEADLINE_S, stream=None, times=1):
        """The match of the first line (or of the one that is the times-th) that matches, come or still to come."""
        def find():
            found = (re.search(pattern, text) for name, text in self.lines if stream in (None, name))
            matches = [match for match in found if match]
            return matches[times - 1] if len(matches) >= times else None
        with self._changed:
            if not self._changed.wait_for(find, deadline_s):
                raise Timeout(f"after {deadline_s:g} s no {times} line(s) matching {pattern!r}\n{self.describe()}")
            return find()

    def wait_exit(self, deadline_s=DEADLINE_S):
        """Its exit status (negative: the signal that ended it), all its output read."""
        try:
            code = self.popen.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise Timeout(f"after {deadline_s:g} s still running\n{self.describe()}") from None
        for reader in self._readers:
            reader.join(deadline_s)
        return code

    def describe(self):
        state = "running" if self.popen.poll() is None else f"ended with {self.popen.returncode}"
        text = "\n".join(f"  {name}| {text}" for name, text in list(self.lines)[-200:])
        return f"$ {' '.join(self.argv)}   ({state}, pid {self.pid})\n{text}"

    def end(self):
        """Kills whatever is left of its group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()
        for reader in self._readers:
            reader.join(5)


def run(*argv, env=None, deadline_s=DEADLINE_S):
    """Runs a program of $SKEP_BIN to its end: its Process, with .code set."""
    process = Process([program(argv[0]), *map(str, argv[1:])], env={**os.environ, **(env or {})})
    try:
        process.code = process.wait_exit(deadline_s)
    finally:
        process.end()
    return process


class Events(Process):
    """`skep events --json` in the background: every event so far in all()."""

    def __init__(self, folder, env):
        super().__init__([program("skep"), "events", "--json", "--dir", folder], env=env)

    def all(self):
        with self._changed:
            return [json.loads(text) for name, text in self.lines if name == "out" and text.startswith("{")]

    def wait_event(self, predicate, deadline_s=DEADLINE_S):
        """The first event, come or still to come, for which predicate (or, if a string, whose name) is true."""
        wanted = (lambda event: event["event"] == predicate) if isinstance(predicate, str) else predicate
        return wait_until(lambda: next((event for event in self.all() if wanted(event)), None),
                          f"event {predicate}", deadline_s, self.describe)


class Hive(Process):
    """`skep run -n WORKERS --dir DIR [...] -- NAME ARGS`, or with primary=True `NAME ARGS` with SKEP_DIR set.

    options: further options of skep run; listen: its -l NAME=URL; env: added to the environment; folder: the instance's
    directory, by default a new one under /tmp that is removed at the end; user: the number of another user, whose hive
    it is.
    """

    def __init__(self, name, *args, workers=2, primary=False, listen=(), policy=None, interval_s=None, options=(),
                 env=None, folder=None, user=None):
        self.own_folder = None if folder else tempfile.mkdtemp(prefix="skep-", dir="/tmp")
        self.folder = folder or self.own_folder
        self.env = {**os.environ, **(env or {})}
        self._followers = []
        command = [program(name)] if name else []
        if primary:
            self.env["SKEP_DIR"] = self.folder
        else:
            self.env.pop("SKEP_DIR", None)
            command = self._run_options(workers, listen, policy, interval_s, options) + ["--"] + command
        if user:
            os.chown(self.folder, user, user)
            command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *command]
        try:
            super().__init__(command + [str(arg) for arg in args], env=self.env)
        except OSError:  # the program is not there
            self._remove_folder()
            raise

    def _remove_folder(self):
        if self.own_folder:
            shutil.rmtree(self.own_folder, ignore_errors=True)

    def _run_options(self, workers, listen, policy, interval_s, options):
        command = [program("skep"), "run", "-n", str(workers), "--dir", self.folder]
        for url in listen:
            command += ["-l", url]
        if policy:
            command += ["--policy", policy]
        if interval_s is not None:
            command += ["--interval", str(interval_s)]
        return command + [str(option) for option in options]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for process in [*self._followers, self]:
            process.end()
        self._remove_folder()
        if kind is None and SANITIZER.search(self.output()):
            raise AssertionError(f"a sanitizer complained\n{self.describe()}")

    # --- what it says of itself ---

    def skep(self, *args, deadline_s=DEADLINE_S):
        """Runs `skep ARGS --dir DIR` to its end."""
        return run("skep", *args, "--dir", self.folder, env=self.env, deadline_s=deadline_s)

    def _ask_status(self):
        """Hundreds of times a test: without the search for leaks at its end, which is half of what it takes."""
        options = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        return run("skep", "status", "--json", "--dir", self.folder, env={**self.env, "ASAN_OPTIONS": options})

    def try_status(self):
        """The parsed `skep status --json`, or None while no broker answers."""
        done = self._ask_status()
        return json.loads(done.output("out")) if done.code == 0 else None

    def status(self):
        """The parsed `skep status --json`."""
        done = self._ask_status()
        if done.code != 0:
            raise AssertionError(f"skep status failed\n{done.describe()}\n{self.describe()}")
        return json.loads(done.output("out"))

    def wait_status(self, predicate, what="a status", deadline_s=DEADLINE_S):
        """The first status for which predicate is true."""
        last = None

        def look():
            nonlocal last
            if self.popen.poll() is not None:
                raise AssertionError(f"it ended while waiting for {what}\n{self.describe()}")
            last = self.try_status() or last
            return last if last and predicate(last) else None
        return wait_until(look, what, deadline_s, lambda: f"last status: {json.dumps(last)}\n{self.describe()}")

    def wait_ready(self, workers=None, deadline_s=DEADLINE_S):
        """The status once that many workers (all there are, at least one, if None) are ready and something is bound."""
        def ready(status):
            states = [worker["state"] for worker in status["workers"]]
            enough = len(states) == workers if workers is not None else len(states) > 0
            return enough and set(states) == {"ready"}
        return self.wait_status(ready, f"{workers or 'all'} workers ready", deadline_s)

    def events(self):
        """Follows the events from now on; ended with the hive."""
        follower = Events(self.folder, self.env)
        self._followers.append(follower)
        return follower

    def pids(self):
        """The workers' process ids by worker id."""
        return {worker["id"]: worker["pid"] for worker in self.status()["workers"]}

    @property
    def url(self):
        """Where its first listener is bound."""
        status = self.wait_status(lambda found: found["listeners"], "a listener")
        return status["listeners"][0]["url"]

    # --- what is done to it ---

    def get(self, path="/", url=None):
        return get(url or self.url, path)

    def requests(self, count, path="/", url=None, keep_alive=False):
        """count requests one after the other, each on a connection of its own or all on one; the Responses."""
        url = url or self.url
        if not keep_alive:
            return [get(url, path) for _ in range(count)]
        with Connection(url) as connection:
            return [connection.request(path) for _ in range(count)]

    def kill9(self, pid):
        """Kills one of its processes and waits until it is gone."""
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid), f"pid {pid} to be gone", context=self.describe)

    def stop(self, sig=signal.SIGTERM, deadline_s=DEADLINE_S, expect=0):
        """Asks it to end and checks its exit status and that no worker of it is left."""
        status = self.try_status()
        os.kill(self.pid, sig)
        code = self.wait_exit(deadline_s)
        if code != expect:
            raise AssertionError(f"exit status {code}, not {expect}\n{self.describe()}")
        for worker in (status or {"workers": []})["workers"]:
            wait_until(lambda: not is_alive(worker["pid"]), f"worker {worker['id']} to be gone", context=self.describe)
