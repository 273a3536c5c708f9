# SPDX-License-Identifier: MIT
"""What tests of jobs need beside hive.py: a submitter that remembers what it was told, questions about queues, and the
worker of programs/job_worker.c with the log that it writes.

    with workers("q", count=3) as hive, Submitter(hive.folder) as submitter:
        submitter.submit("q", 1000, "done")
        submitter.wait_outcomes()
        self.assertEqual(violations(submitter.lines, hive.log()), [])
"""
import contextlib
import json
import os
import selectors
import signal
import sys
import tempfile
import threading
from pathlib import Path

from hive import DEADLINE_S, Hive, Process, is_alive, program, wait_until

CLIENTS = Path(__file__).resolve().parent.parent / "clients"
sys.path.insert(0, str(CLIENTS))
import submit  # noqa: E402
import wire  # noqa: E402

DEADLINE_JOBS_S = max(60, DEADLINE_S)
JOBS_IN_ONE = 1000  # of one submit command
EFULL, ENOQUEUE, ENOJOB = 24, 25, 26


def test_program(name):
    """A program of programs/, in $SKEP_TEST_BIN or where the build puts it beside $SKEP_BIN."""
    folder = os.environ.get("SKEP_TEST_BIN")
    return str(Path(folder or Path(program("skep")).parent.parent / "tests/integration").resolve() / name)


def job_worker_path():
    return test_program("job_worker")


def dial_control(hive):
    """NNG's control socket is opened anew when it has gone deaf: until then nobody gets through."""
    def dial():
        with contextlib.suppress(OSError):
            return wire.Asker(wire.control_url(hive.folder))
        if not is_alive(hive.pid):
            raise AssertionError(f"the broker has ended\n{hive.describe()}")
        return None
    return wait_until(dial, "the control socket", context=hive.describe)


def ask(hive, cmd, **fields):
    """The answer to one question on the control socket."""
    asker = dial_control(hive)
    try:
        return asker.ask(cmd, **fields)
    finally:
        asker.close()


def queue_status(hive, name):
    """The queueStatus of a queue; None if it is not there."""
    return next((queue for queue in ask(hive, "queues") if queue.get("name") == name), None)


def wait_queue(hive, name, predicate, what, deadline_s=DEADLINE_JOBS_S):
    """The first queueStatus for which predicate is true."""
    last = None

    def look():
        nonlocal last
        last = queue_status(hive, name)
        return last if last and predicate(last) else None
    return wait_until(look, what, deadline_s, lambda: f"last: {last}\n{hive.describe()}")


def dead_letters(hive, queue=None, **fields):
    return [job for job in ask(hive, "deadLetters", queue=queue, **fields) if job["cmd"] == "jobStatus"]


def peek(hive, queue, n=500):
    return [job for job in ask(hive, "peek", queue=queue, n=n) if job["cmd"] == "jobStatus"]


class Workers(Hive):
    """skep run -- job_worker QUEUE..., with the log that its workers write; log: a file that was there before."""

    def __init__(self, *queues, count=2, options=(), log=None, **others):
        self.work_folder = tempfile.TemporaryDirectory(prefix="skep-work-")
        self.log_path = Path(log or Path(self.work_folder.name, "log"))
        self.mended_path = Path(self.work_folder.name, "mended")
        self.log_path.touch()
        env = {**others.pop("env", {}), "JOB_LOG": str(self.log_path), "JOB_MENDED": str(self.mended_path)}
        super().__init__(job_worker_path(), *queues, workers=count, options=options, env=env, **others)

    def __exit__(self, *error):
        try:
            super().__exit__(*error)
        finally:
            self.work_folder.cleanup()

    def log(self):
        """What the workers have written so far; a line that a killed one did not finish is not there."""
        return [line.removesuffix(" .") for line in self.log_path.read_text().splitlines() if line.endswith(" .")]

    def starts(self, key=None):
        """The start lines, of one job if its key is given, as lists of words."""
        found = [line.split() for line in self.log() if line.startswith("start ")]
        return [words for words in found if key is None or words[1] == str(key)]

    def wait_starts(self, key, times=1):
        return wait_until(lambda: len(self.starts(key)) >= times and self.starts(key), f"job {key} begun {times} times",
                          DEADLINE_JOBS_S, self.describe)


def workers(*queues, **options):
    return Workers(*queues, **options)


class LibraryClient:
    """A client of libskep in a process of its own, programs/submitter.c, which says there what its arguments are."""

    def __init__(self, hive, window, requests=0, count=10**9, first=1, what=(), queue="q", env=None):
        self._log = tempfile.NamedTemporaryFile("r", prefix="skep-submitted-")
        argv = [test_program("submitter"), hive.folder, queue, first, count, window, requests, self._log.name, *what]
        self.process = Process([str(word) for word in argv], env={**os.environ, **(env or {})})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.end()
        self._log.close()

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        """It submits no more, and ends when all has been answered."""
        os.kill(self.pid, signal.SIGTERM)

    def result(self):
        """What it counted, at its end."""
        if self.process.wait_exit(DEADLINE_JOBS_S * 3) != 0:
            raise AssertionError(f"the client has failed\n{self.process.describe()}")
        return json.loads(self.process.output("out"))

    def lines(self):
        """What it has written, as ledger_check.py reads it; after its end."""
        self._log.seek(0)
        return self._log.read().splitlines()


class Submitter:
    """Submits jobs "KEY WHAT" with keys of its own, and writes down in lines, as ledger_check.py reads them, what it
    asked for and what it was told. A thread reads the answers, so that none holds the broker up."""

    def __init__(self, folder):
        self.client = submit.Client(folder, DEADLINE_JOBS_S)
        self.lines, self.answers = [], []
        self.keys = {}      # by number
        self.accepted = {}  # id by key
        self.declined = {}  # status by key
        self.results, self.deaths = {}, {}  # by key
        self._open = set()  # keys whose outcome is wanted and not known
        self._changed = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ended = True
        self._reader.join(DEADLINE_S)
        with contextlib.suppress(OSError):  # the broker may have gone
            self.client.close()

    def submit(self, queue, count, what="done", first=None, outcomes=True, payload=None, **options):
        """Submits so many jobs that say what; their keys, which are numbers, from first on if it is given. payload: of
        each of them, for other workers than job_worker."""
        first = len(self.keys) + 1 if first is None else first
        keys = [str(key) for key in range(first, first + count)]
        for at in range(0, count, JOBS_IN_ONE):
            some = keys[at:at + JOBS_IN_ONE]
            with self._changed:
                self.lines += [f"invoke {key}" for key in some]
                self.keys.update(enumerate(some, self.client.next))
                if outcomes:
                    self._open.update(some)
            payloads = [f"{key} {what}".encode() if payload is None else payload for key in some]
            self.client.submit(queue, *payloads, outcomes=outcomes or None, **options)
        return keys

    def wait(self, predicate, what, deadline_s=DEADLINE_JOBS_S):
        with self._changed:
            if not self._changed.wait_for(predicate, deadline_s):
                raise AssertionError(f"after {deadline_s:g} s still waiting for {what}: {len(self.keys)} submitted, "
                                     f"{len(self.accepted)} accepted, {len(self.declined)} declined, "
                                     f"{len(self.results)} finished, {len(self.deaths)} died; "
                                     f"last answers: {self.answers[-3:]}")

    def wait_answers(self):
        """Until each job has been accepted or declined."""
        self.wait(lambda: len(self.accepted) + len(self.declined) >= len(self.keys), "answers")

    def wait_outcomes(self):
        """Until each job whose outcome is wanted is done, dead or declined."""
        self.wait(lambda: not self._open, "outcomes")

    def close_unknown(self):
        """The lines, with what was never answered marked so."""
        with self._changed:
            told = self.accepted.keys() | self.declined.keys()
            return self.lines + [f"unknown {key}" for key in self.keys.values() if key not in told]

    def _read(self):
        with selectors.DefaultSelector() as selector:
            selector.register(self.client.returns, selectors.EVENT_READ)
            while not self._ended:
                try:
                    frames = self.client.returns.receive_ready() if selector.select(0.1) else []
                except OSError:
                    return  # the broker has gone
                for frame in frames:
                    self._take(wire.unpack(frame))

    def _take(self, commands):
        with self._changed:
            for command in commands:
                self.answers.append(command)
                getattr(self, "_on_" + command["cmd"], lambda command: None)(command)
            self._changed.notify_all()

    def _on_accepted(self, command):
        for offset in range(command.get("n", 1)):
            key, job = self.keys[command["number"] + offset], command["id"] + offset
            self.accepted[key] = job
            self.lines.append(f"ok {key} {job}")

    def _on_declined(self, command):
        for offset in range(command.get("n", 1)):
            key = self.keys[command["number"] + offset]
            self.declined[key] = command["status"]
            self._open.discard(key)
            self.lines.append(f"fail {key}")

    def _on_finished(self, command):
        for offset, result in enumerate(command["results"]):
            key = self.keys[command["number"] + offset]
            self.results[key] = result
            self._open.discard(key)

    def _on_died(self, command):
        key = self.keys[command["number"]]
        self.deaths[key] = command
        self._open.discard(key)
