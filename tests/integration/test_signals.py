#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Signals that anybody may send: to a broker with jobs, to a worker at work, to all of them at once as a service manager
does. No job is lost by one, and none ends the broker without a word."""
import contextlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from faults import TCP, Client, actors, stopped
from hive import DEADLINE_S, Hive, Process, is_alive, program, run, wait_until
from jobs import Submitter, job_worker_path, queue_status, wait_queue, workers
from ledger_check import violations

SURVIVED = ("USR1", "USR2", "ALRM", "VTALRM", "PROF", "POLL", "PWR", "STKFLT", "PIPE", "XCPU", "XFSZ", "TRAP", "SYS")
PATIENT = ["--drain-timeout", 60]


def number_of(name):
    return getattr(signal, f"SIG{name}")


@contextlib.contextmanager
def hive_of(count, *options):
    """Workers that handle q, all ready, and a submitter."""
    with workers("q", count=count, options=options or PATIENT) as hive:
        hive.wait_ready(count)
        with Submitter(hive.folder) as submitter:
            yield hive, submitter


def full_pipe():
    """Its two ends: what is written to it waits until something is read."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    return reader, writer


def begin(hive, submitter, spend_ms, more=0):
    """A job of so many milliseconds on each worker, which stands still meanwhile, and jobs that wait behind them."""
    count = len(hive.pids())
    keys = submitter.submit("q", count, f"spend {spend_ms}")
    for key in keys:
        hive.wait_starts(key)
    return keys + submitter.submit("q", more)


class Broker(unittest.TestCase):
    def test_those_that_would_kill_are_said_and_survived(self):
        sender = os.getpid()
        with hive_of(1) as (hive, submitter):
            begin(hive, submitter, 500, more=20)
            for name in SURVIVED:
                os.kill(hive.pid, number_of(name))
                hive.wait_line(rf"broker: SIG{name} from pid {sender}: ")
            for number in (signal.SIGRTMIN, signal.SIGRTMIN + 7, signal.SIGRTMAX):
                os.kill(hive.pid, number)
                hive.wait_line(rf"broker: SIG(RTMIN|RTMAX|{int(number)}) from pid {sender}: ignored")
            hive.wait_line("broker: SIGUSR2 from .*: ignored: it is reserved for")
            hive.wait_line("broker: nothing to reopen: neither stdout nor stderr is a file")
            submitter.wait_outcomes()
            self.assertEqual(violations(submitter.lines, hive.log()), [])
            hive.stop()

    def test_who_sent_those_that_steer_and_stop_is_said(self):
        sender = os.getpid()
        with hive_of(1) as (hive, submitter):
            events = hive.events()
            events.wait_line("^skep: events of ", stream="err")
            for name, effect in (("TTIN", "one worker more"), ("TTOU", "one worker fewer"), ("HUP", "reloading")):
                os.kill(hive.pid, number_of(name))
                hive.wait_line(f"broker: SIG{name} from pid {sender}: {effect}")
            hive.wait_line("broker: reload done")
            for key in submitter.submit("q", 1, "spend 60000"):
                hive.wait_starts(key)
            os.kill(hive.pid, signal.SIGTERM)
            hive.wait_line(f"broker: SIGTERM from pid {sender}: stopping")
            os.kill(hive.pid, signal.SIGTTIN)
            hive.wait_line(f"broker: SIGTTIN from pid {sender}: one worker more")
            hive.wait_line("broker: error: SIGTTIN: the cluster is stopping")
            os.kill(hive.pid, signal.SIGQUIT)
            hive.wait_line(f"broker: SIGQUIT from pid {sender}: already stopping")
            os.kill(hive.pid, signal.SIGINT)
            hive.wait_line(f"broker: SIGINT from pid {sender}: killing the workers")
            self.assertEqual(hive.wait_exit(), 0, hive.describe())
            said = f"SIGTERM from pid {sender}: stopping"
            events.wait_event(lambda event: event["event"] == "signal" and event["reason"] == said)

    def test_those_that_do_nothing_still_do_nothing(self):
        with hive_of(1) as (hive, submitter):
            begin(hive, submitter, 100)
            for name in ("CHLD", "CONT", "URG", "WINCH", "TSTP", "CONT"):
                os.kill(hive.pid, number_of(name))
            submitter.wait_outcomes()
            self.assertEqual(hive.count("broker: SIG"), 0)
            hive.stop()

    def test_what_says_that_a_program_is_broken_ends_it(self):
        for name in ("ABRT", "FPE", "ILL"):
            with self.subTest(signal=name), Hive("hello", "--listen", TCP, workers=1,
                                                 env={"ASAN_OPTIONS": "handle_abort=0:handle_sigfpe=0:handle_sigill=0"}) as hive:
                hive.wait_ready(1)
                os.kill(hive.pid, number_of(name))
                self.assertEqual(hive.popen.wait(10), -number_of(name))

    def test_sigquit_is_graceful_however_often(self):
        with hive_of(2) as (hive, submitter):
            begin(hive, submitter, 1000)
            os.kill(hive.pid, signal.SIGQUIT)
            hive.wait_line("broker: stopping")
            os.kill(hive.pid, signal.SIGQUIT)
            self.assertEqual(hive.wait_exit(), 0, hive.describe())
            self.assertEqual(len([line for line in hive.log() if line.startswith("done ")]), 2)
            self.assertEqual(hive.count(r"exited with status 0 \(voluntary\)"), 2)

    def check_finished(self, hive, keys):
        """It ends, and the workers have finished their jobs before."""
        self.assertEqual(hive.wait_exit(), 0, hive.describe())
        done = [line.split()[1] for line in hive.log() if line.startswith("done ")]
        self.assertEqual(sorted(done), sorted(map(str, keys)))
        self.assertEqual(hive.count(r"exited with status 0 \(voluntary\)"), len(keys))

    def test_sigquit_beside_sigterm_kills_nobody(self):
        """They wait together: the kernel gives the one with the smaller number first."""
        for names in (("TERM", "QUIT"), ("QUIT", "TERM")):
            with self.subTest(names=names), hive_of(2) as (hive, submitter):
                keys = begin(hive, submitter, 700)
                with stopped(hive.pid):
                    for name in names:
                        os.kill(hive.pid, number_of(name))
                hive.wait_line("broker: SIGQUIT from .*: stopping$")
                hive.wait_line("broker: SIGTERM from .*: already stopping; the next one kills the workers$")
                self.check_finished(hive, keys)

    def test_one_signal_after_skep_stop_kills_nobody(self):
        with hive_of(2) as (hive, submitter):
            keys = begin(hive, submitter, 700)
            command = Process([program("skep"), "stop", "--dir", hive.folder])
            self.addCleanup(command.end)
            hive.wait_line("broker: stopping$")
            os.kill(hive.pid, signal.SIGTERM)
            hive.wait_line("broker: SIGTERM from .*: already stopping")
            self.check_finished(hive, keys)
            self.assertEqual(command.wait_exit(), 0, command.describe())

    def test_none_ends_it_before_its_last_word(self):
        """Its log cannot be written, for which it waits a second when all else is closed: then signals come."""
        with tempfile.TemporaryDirectory(prefix="skep-", dir="/tmp") as folder:
            reader, writer = full_pipe()
            with os.fdopen(reader, "rb") as log:
                broker = subprocess.Popen([program("skep"), "run", "-n", "1", "--dir", folder, "--", job_worker_path(),
                                           "q"], stderr=writer, start_new_session=True)
                os.close(writer)
                self.addCleanup(broker.wait)
                self.addCleanup(broker.kill)
                wait_until(lambda: run("skep", "status", "--dir", folder).code == 0, "an answer")
                stopping = run("skep", "stop", "--now", "--yes", "--dir", folder)
                for name in ("TERM", "QUIT", "INT", "HUP", "TTOU", "TTIN"):
                    os.kill(broker.pid, number_of(name))
                written = log.read()
            self.assertEqual(stopping.code, 0, stopping.describe())
            self.assertEqual(broker.wait(DEADLINE_S), 0, written.strip(b"\0"))

    def test_what_it_writes_in_vain_is_not_said(self):
        """A write on a pipe that nobody reads is a SIGPIPE of its own."""
        with Hive("hello", "--listen", TCP, workers=1) as hive:
            hive.wait_ready(1)
            events = hive.events()
            events.wait_line("^skep: events of ", stream="err")
            self.assertEqual(hive.get().status, 200)
            events.end()
            hive.wait_status(lambda status: status, "an answer")
            self.assertEqual(hive.count("SIGPIPE"), 0)
            hive.stop()


class Inherited(unittest.TestCase):
    def masks(self, pid):
        text = Path(f"/proc/{pid}/status").read_text()
        return {line.split(":")[0]: int(line.split()[1], 16) for line in text.splitlines()
                if line.startswith(("SigBlk", "SigIgn"))}

    def test_workers_start_with_the_defaults(self):
        """Whatever skep run was started with, and blocks by itself."""
        with tempfile.TemporaryDirectory(prefix="skep-", dir="/tmp") as folder:
            script = ("import os, signal, sys\n"
                      "for s in (signal.SIGHUP, signal.SIGUSR1, signal.SIGINT, signal.SIGQUIT, signal.SIGALRM):\n"
                      "    signal.signal(s, signal.SIG_IGN)\n"
                      "signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGUSR2, signal.SIGCHLD))\n"
                      "os.execv(sys.argv[1], sys.argv[1:])\n")
            process = Process(["/usr/bin/python3", "-c", script, program("skep"), "run", "-n", "1", "--dir",
                               folder + "/hive", "--", "/bin/sleep", "1000"])
            try:
                pid = int(process.wait_line(r"worker 1 pid (\d+): started")[1])
                self.assertEqual(self.masks(pid), {"SigBlk": 0, "SigIgn": 0})
            finally:
                process.end()


class Rotation(unittest.TestCase):
    """The log in a file that is moved away."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="skep-", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.path, self.old = self.folder / "skep.log", self.folder / "skep.log.1"

    @contextlib.contextmanager
    def broker(self, both=False):
        to = f"exec >'{self.path}' 2>&1" if both else f"exec 2>'{self.path}'"
        process = Process(["/bin/sh", "-c", f"{to}; exec \"$@\"", "sh", program("skep"), "run", "-n", "1", "--dir",
                           str(self.folder / "hive"), "--", job_worker_path(), "q"])
        try:
            self.wait(self.path, ": ready")
            yield process
            self.assertIsNone(process.popen.poll())
        finally:
            process.end()

    def wait(self, path, text):
        wait_until(lambda: path.exists() and text in path.read_text(), f"{text!r} in {path}",
                   context=lambda: path.read_text() if path.exists() else "no such file")

    def test_it_goes_on_in_a_new_file(self):
        for both in (False, True):
            with self.subTest(both=both), self.broker(both) as process:
                self.path.rename(self.old)
                os.kill(process.pid, signal.SIGUSR1)
                self.wait(self.path, f"broker: reopened {self.path}\n")
                self.assertEqual(self.path.read_text().count("reopened"), 1)
                before = self.old.read_text()
                self.assertIn("SIGUSR1 from pid", before)
                self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), stat.S_IMODE(self.old.stat().st_mode))
                os.kill(process.pid, signal.SIGUSR2)
                self.wait(self.path, "SIGUSR2 from")
                self.assertEqual(self.old.read_text(), before)

    def test_something_else_is_there(self):
        """The broker neither waits for the reader of a FIFO nor follows a link."""
        for make in (os.mkfifo, lambda path: os.symlink(self.folder / "elsewhere", path), os.mkdir):
            with self.subTest(), self.broker() as process:
                self.path.rename(self.old)
                make(self.path)
                os.kill(process.pid, signal.SIGUSR1)
                self.wait(self.old, f"broker: cannot reopen {self.path}: ")
                self.assertFalse((self.folder / "elsewhere").exists())
                (os.rmdir if self.path.is_dir() else os.unlink)(self.path)


class AllAtOnce(unittest.TestCase):
    """SIGTERM to the broker and to each worker, in any order."""

    def check(self, order, count=3):
        with hive_of(count) as (hive, submitter):
            keys = begin(hive, submitter, 700)
            for pid in order(hive.pid, list(hive.pids().values())):
                os.kill(pid, signal.SIGTERM)
            self.assertEqual(hive.wait_exit(), 0, hive.describe())
            log = hive.log()
            self.assertEqual(sorted(line.split()[1] for line in log if line.startswith("done ")), sorted(map(str, keys)))
            self.assertEqual(hive.count("killed by"), 0, hive.describe())
            self.assertEqual(hive.count("are lost|is lost"), 0, hive.describe())

    def test_the_broker_first(self):
        self.check(lambda broker, pids: [broker, *pids])

    def test_the_broker_last(self):
        self.check(lambda broker, pids: [*pids, broker])

    def test_twice_to_the_workers(self):
        """A service manager that is impatient, or a second process that tells them."""
        self.check(lambda broker, pids: [*pids, broker, *pids])

    def test_idle_workers(self):
        for _ in range(5):
            with workers("q", count=2, options=PATIENT) as hive:
                hive.wait_ready(2)
                for pid in [*hive.pids().values(), hive.pid]:
                    os.kill(pid, signal.SIGTERM)
                self.assertEqual(hive.wait_exit(), 0, hive.describe())

    def test_connections_are_finished(self):
        with actors(TCP, workers=2, options=PATIENT) as hive:
            hive.wait_ready(2)
            clients = [Client(hive.url) for _ in range(4)]
            owners = [client.worker() for client in clients]
            for pid in [hive.pid, *hive.pids().values()]:
                os.kill(pid, signal.SIGTERM)
            hive.wait_line("worker 1 pid .*: draining")
            hive.wait_line("worker 2 pid .*: draining")
            self.assertEqual([client.worker() for client in clients], owners)
            for client in clients:
                client.close()
            self.assertEqual(hive.wait_exit(), 0, hive.describe())
            self.assertEqual(hive.count("killed by"), 0, hive.describe())


class OneWorker(unittest.TestCase):
    """A plain SIGTERM to a worker: it finishes what it has and leaves, and another one has its place."""

    def test_it_finishes_its_job_and_gives_the_others_back(self):
        with hive_of(1) as (hive, submitter):
            keys = begin(hive, submitter, 500, more=50)
            first = hive.pids()[1]
            os.kill(first, signal.SIGTERM)
            submitter.wait_outcomes()
            self.assertEqual(violations(submitter.lines, hive.log()), [])
            self.assertEqual(len(hive.starts()), len(keys))
            self.assertEqual({words[5] for words in hive.starts(keys[0])}, {"1"})
            self.assertEqual({words[5] for key in keys[1:] for words in hive.starts(key)}, {"2"})
            self.assertEqual({words[3] for words in hive.starts()}, {"1"})  # the first attempt of each
            hive.wait_line(r"worker 1 pid \d+: exited with status 0 \(voluntary\)")
            self.assertEqual(queue_status(hive, "q")["redelivered"], 0)
            hive.stop()

    def test_it_leaves_in_the_midst_of_jobs_that_came_together(self):
        """Between two jobs, not when all that came with the first are done."""
        with hive_of(1) as (hive, submitter):
            keys = submitter.submit("q", 2000, "spend 2")
            hive.wait_starts(keys[100])
            pid = hive.pids()[1]
            os.kill(pid, signal.SIGTERM)
            hive.wait_line(r"worker 1 pid \d+: exited with status 0")
            self.assertLess(len([words for words in hive.starts() if words[5] == "1"]), 1500)
            submitter.wait_outcomes()
            self.assertEqual(violations(submitter.lines, hive.log()), [])
            hive.stop()

    def test_another_has_its_place_meanwhile(self):
        with actors(TCP, workers=1, options=PATIENT) as hive:
            hive.wait_ready(1)
            with Client(hive.url) as client:
                self.assertEqual(client.worker(), 1)
                os.kill(hive.pids()[1], signal.SIGTERM)
                hive.wait_line(r"worker 2 pid \d+: ready")
                with Client(hive.url) as second:
                    self.assertEqual(second.worker(), 2)
                self.assertEqual(client.worker(), 1)
            hive.wait_line(r"worker 1 pid \d+: exited with status 0 \(voluntary\)")
            hive.stop()

    def test_by_skep_signal(self):
        with hive_of(2) as (hive, submitter):
            begin(hive, submitter, 500)
            self.assertEqual(hive.skep("signal", "1", "TERM").code, 0)
            submitter.wait_outcomes()
            self.assertEqual(violations(submitter.lines, hive.log()), [])
            hive.wait_line(r"worker 1 pid \d+: exited with status 0 \(voluntary\)")
            hive.wait_line(r"worker 3 pid \d+: ready")
            hive.stop()

    def test_a_storm_of_them_loses_nothing(self):
        with hive_of(2) as (hive, submitter):
            over = threading.Event()

            def terminate():
                while not over.wait(0.05):
                    for pid in (hive.try_status() or {"workers": []})["workers"]:
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(pid["pid"], signal.SIGTERM)
            thread = threading.Thread(target=terminate)
            thread.start()
            try:
                submitter.submit("q", 3000, "spend 1")
                submitter.wait_outcomes()
            finally:
                over.set()
                thread.join()
            self.assertEqual(violations(submitter.lines, hive.log()), [])
            hive.stop()

    def test_a_program_with_a_handler_of_its_own_decides(self):
        with actors("--stubborn", TCP, workers=1, options=["--drain-timeout", 0.3]) as hive:
            hive.wait_ready(1)
            pid = hive.pids()[1]
            with Client(hive.url) as client:
                os.kill(pid, signal.SIGTERM)
                self.assertEqual(client.worker(), 1)
            with Client(hive.url) as client:
                self.assertEqual(client.worker(), 1)
            self.assertEqual(hive.count("draining"), 0)
            self.assertTrue(is_alive(pid))
            hive.stop()

    def test_one_that_is_hung_still_ends_at_the_deadline(self):
        """The broker's own SIGTERM, after the drain timeout, does not ask."""
        with hive_of(1, "--drain-timeout", 0.5) as (hive, submitter):
            begin(hive, submitter, 60000)
            os.kill(hive.pids()[1], signal.SIGTERM)
            os.kill(hive.pid, signal.SIGTERM)
            hive.wait_line(r"worker 1 pid \d+: killed by SIGTERM \(drain-timeout\)")
            self.assertEqual(hive.wait_exit(), 0)


class Stop(unittest.TestCase):
    """skep stop, which asks before jobs are lost."""

    def stop(self, hive, *options):
        return hive.skep("stop", *options)

    def refuse(self, hive, lost, *options):
        done = self.stop(hive, *options)
        self.assertEqual(done.code, 70, done.describe())
        self.assertEqual(done.output("err"), f"skep: stop: {lost} in memory only; "
                                             "not stopped: --yes stops anyway")
        self.assertEqual(hive.count("broker: stopping"), 0)

    def test_without_a_terminal_it_refuses(self):
        with hive_of(1) as (hive, submitter):
            begin(hive, submitter, 1500, more=5)
            self.assertEqual(hive.skep("submit", "q", "--delay", "1000", "later done").code, 0)
            self.refuse(hive, "at least 6 jobs would be lost: they are")
            self.refuse(hive, "7 jobs would be lost: they are", "--now")
            self.assertEqual(self.stop(hive, "--yes").code, 0)
            hive.wait_line("error: [56] jobs are lost")  # the one that was sent ahead may be begun
            self.assertEqual(hive.wait_exit(), 0)

    def test_what_is_being_done_is_not_lost(self):
        with hive_of(2) as (hive, submitter):
            begin(hive, submitter, 500)
            self.assertEqual(self.stop(hive).code, 0)
            self.assertEqual(hive.wait_exit(), 0)
            self.assertEqual(len([line for line in hive.log() if line.startswith("done ")]), 2)

    def test_now_after_a_plain_stop_asks_about_what_is_being_done(self):
        with hive_of(2) as (hive, submitter):
            begin(hive, submitter, 60000)
            self.assertEqual(hive.skep("submit", "q", "--delay", "1000", "later done").code, 0)
            plain = Process([program("skep"), "stop", "--yes", "--dir", hive.folder])
            self.addCleanup(plain.end)
            hive.wait_line("broker: stopping")
            done = self.stop(hive, "--now")  # the delayed one is lost already
            self.assertEqual((done.code, done.output("err")),
                             (70, "skep: stop: 2 jobs would be lost: they are in memory only; "
                                  "not stopped: --yes stops anyway"))
            self.assertEqual(self.stop(hive, "--now", "--yes").code, 0)
            self.assertEqual(plain.wait_exit(), 0)
            self.assertEqual(hive.wait_exit(), 0)

    def test_dead_letters_count_beside_jobs(self):
        with workers("q", count=1, options=PATIENT) as hive:
            hive.wait_ready(1)
            self.assertEqual(hive.skep("submit", "q", "1 fail never").code, 0)
            wait_queue(hive, "q", lambda queue: queue["dead"] == 1, "a dead letter")
            self.assertEqual(hive.skep("submit", "--delay", "1000", "q", "2 done").code, 0)
            self.refuse(hive, "1 job and 1 dead letter would be lost: they are", "--now")
            self.assertEqual(self.stop(hive, "--now", "-y").code, 0)
            self.assertEqual(hive.wait_exit(), 0)

    def test_dead_letters_alone_hold_nothing_up(self):
        with workers("q", count=1, options=PATIENT) as hive:
            hive.wait_ready(1)
            self.assertEqual(hive.skep("submit", "q", "1 fail never").code, 0)
            wait_queue(hive, "q", lambda queue: queue["dead"] == 1, "a dead letter")
            self.assertEqual(self.stop(hive).code, 0)
            self.assertEqual(hive.wait_exit(), 0)


if __name__ == "__main__":
    unittest.main()
