#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What belongs to a worker ends with it, however it ends, and however its broker does."""
import os
import signal
import subprocess
import unittest
from pathlib import Path

from hive import Hive, is_alive, wait_until

PROGRAM = str(Path(os.environ["SKEP_TEST_BIN"]) / "belongings")
KINDS = ("exec", "forked", "session", "daemon")


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


class Case(unittest.TestCase):
    def hive(self, *what, workers=1, **options):
        hive = Hive(PROGRAM, *what, workers=workers, **options)
        self.addCleanup(hive.__exit__, None)
        hive.wait_ready(workers)
        return hive

    def started(self, hive, kinds=KINDS, worker=1):
        """The processes that the worker which came worker-th has started, by kind."""
        return {kind: int(hive.wait_line(rf"^{kind} (\d+)$", times=worker).group(1)) for kind in kinds}

    def assert_gone(self, hive, started):
        for kind, pid in started.items():
            wait_until(lambda pid=pid: not is_alive(pid), f"{kind} {pid} to be gone", 5, hive.describe)


class Ends(Case):
    """Each way in which a worker ends takes along all kinds of processes; those of others stay."""

    def test_killed(self):
        hive = self.hive(*KINDS)
        first = self.started(hive)
        hive.kill9(hive.pids()[1])
        self.assert_gone(hive, first)
        second = self.started(hive, worker=2)
        self.assertTrue(all(map(is_alive, second.values())), hive.describe())
        hive.stop()
        self.assert_gone(hive, second)

    def test_left(self):
        hive = self.hive(*KINDS, "leave", workers=2)
        self.started(hive, worker=2)
        before = hive.pids()
        groups = {worker: self._group_of(hive, pid) for worker, pid in before.items()}
        self.assertEqual(hive.skep("submit", "echo", "x", "--wait").code, 0)
        gone = hive.wait_line(r"worker (\d) pid \d+: exited with status 0 \(voluntary\)").group(1)
        self.assert_gone(hive, groups[int(gone)])
        self.assertTrue(all(map(is_alive, groups[3 - int(gone)].values())), hive.describe())
        hive.stop()
        for group in groups.values():
            self.assert_gone(hive, group)

    def _group_of(self, hive, pid):
        """A worker's own processes, without daemons: the children that it still has."""
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return {f"child of {pid}": int(child) for child in children}

    def test_stopped(self):
        hive = self.hive(*KINDS, "bare")
        started = self.started(hive, (*KINDS, "bare"))
        hive.stop()
        self.assertEqual([kind for kind, pid in started.items() if is_alive(pid)], [], "when skep run has ended")

    def test_stopped_at_once(self):
        hive = self.hive(*KINDS)
        started = self.started(hive)
        self.assertEqual(hive.skep("stop", "--now").code, 0)
        self.assertEqual(hive.wait_exit(), 0)
        self.assertEqual([kind for kind, pid in started.items() if is_alive(pid)], [], "when skep run has ended")

    def test_broker_killed(self):
        """The kernel ends workers and their groups; the next broker of the directory ends what has left them."""
        hive = self.hive(*KINDS)
        started = self.started(hive)
        hive.kill9(hive.pid)
        self.assert_gone(hive, {kind: started[kind] for kind in ("exec", "forked")})
        self.assertTrue(is_alive(started["daemon"]))
        self.hive(folder=hive.folder).stop()
        self.assert_gone(hive, started)

    @unittest.skipIf(os.geteuid() != 0, "needs root, to become somebody else")
    def test_broker_of_workers_of_another_user_killed(self):
        """The kernel forgets the parent-death signal of who changes its user."""
        hive = self.hive("user", "timer", "exec")
        started = {"worker": hive.pids()[1], **self.started(hive, ("exec",))}
        hive.kill9(hive.pid)
        self.assert_gone(hive, started)


class Adopted(Case):
    def test_what_ends_is_reaped(self):
        hive = self.hive(*["brief"] * 20)
        pids = [int(hive.wait_line(r"^brief (\d+)$", times=n + 1).group(1)) for n in range(20)]
        for pid in pids:
            wait_until(lambda pid=pid: not Path(f"/proc/{pid}").exists(), f"{pid} to be reaped", 5, hive.describe)
        hive.stop()

    def test_daemons_of_a_worker_that_lives_stay(self):
        hive = self.hive("daemon", workers=2)
        first, second = (self.started(hive, ("daemon",), n)["daemon"] for n in (1, 2))
        self.assertEqual({parent_of(first), parent_of(second)}, {hive.pid})
        owners = {self._worker_of(pid): pid for pid in (first, second)}
        self.assertEqual(set(owners), {1, 2})
        hive.kill9(hive.pids()[1])
        self.assert_gone(hive, {"daemon": owners[1]})
        self.assertTrue(is_alive(owners[2]))
        hive.stop()
        self.assert_gone(hive, {"daemon": owners[2]})

    def _worker_of(self, pid):
        variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
        return int(next(v for v in variables if v.startswith("SKEP_HIVE=")).rpartition(".")[2])

    def test_a_program_of_the_same_shell_stays(self):
        """sidecar & exec skep run ..."""
        folder = self.hive().folder
        shell = f"sleep 3600 >/dev/null 2>&1 & echo $!; exec {os.environ['SKEP_BIN']}/skep run -n 1 --dir {folder}x -- {PROGRAM}"
        with subprocess.Popen(["sh", "-c", shell], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
            sidecar = int(run.stdout.readline())
            self.addCleanup(os.kill, sidecar, signal.SIGKILL)
            self.assertTrue(any(": ready" in line for line in run.stderr), "it has ended")
            run.terminate()
            run.communicate()
        self.assertTrue(is_alive(sidecar))

    @unittest.skipIf(os.geteuid() != 0, "needs root, for a namespace of processes")
    def test_as_process_1(self):
        folder = self.hive().folder
        command = ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child", f"{os.environ['SKEP_BIN']}/skep", "run",
                   "-n", "1", "--dir", folder + "y", "--", PROGRAM, *["brief"] * 20]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
            self.assertTrue(any(": ready" in line for line in run.stderr), "it has ended")
            inner = int(Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text())
            worker = Path(f"/proc/{inner}/task/{inner}/children")
            wait_until(lambda: len(worker.read_text().split()) == 1, "one child of process 1: the worker", 5)
            os.kill(inner, signal.SIGTERM)
            run.communicate()
        self.assertEqual(run.returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
