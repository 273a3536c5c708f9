#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The totals of what workers count are exact, however the workers end."""
import mmap
import struct
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

from faults import actor_path, by_id, replaced
from hive import Hive, wait_until

CATS = 3  # for each request


class Note:
    """What a worker of programs/counting.c has written down of itself."""

    def __init__(self, path):
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 32)

    begun, done, stopped = (property(lambda self, at=at: struct.unpack_from("=Q", self.memory, at)[0])
                            for at in (0, 8, 24))

    def stop(self):
        struct.pack_into("=Q", self.memory, 16, 1)


class Counting(Hive):
    """Workers that count, those with ids up to counting."""

    def __init__(self, workers, counting):
        self.notes = TemporaryDirectory(dir="/tmp")
        super().__init__(str(Path(actor_path()).with_name("counting")), self.notes.name, counting, workers=workers)

    def __exit__(self, *how):
        super().__exit__(*how)
        self.notes.cleanup()

    def all(self):
        """The notes by worker."""
        return {int(path.name): Note(path) for path in Path(self.notes.name).iterdir() if path.stat().st_size == 32}

    def wait_more(self, worker, times=500):
        """Waits until a worker has counted so many times more."""
        note = wait_until(lambda: self.all().get(worker), f"a note of worker {worker}", context=self.describe)
        enough = note.done + times
        wait_until(lambda: note.done >= enough, f"counts of worker {worker}", context=self.describe)

    def stop_counting(self, workers):
        """Stops them inside a turn of their loops; the status after that."""
        notes = {id: note for id, note in self.all().items() if id in workers}
        for note in notes.values():
            note.stop()
        wait_until(lambda: all(note.stopped for note in notes.values()), "the workers to stand still",
                   context=self.describe)
        return self.status()


class Exact(unittest.TestCase):
    def check(self, hive, status):
        """The sums are what was counted; of a worker that was killed while it counted, or that once more."""
        notes = hive.all().values()
        least, most = (sum(getattr(note, name) for note in notes) for name in ("done", "begun"))
        self.assertIn(status["totals"]["requests"], range(least, most + 1))
        self.assertIn(status["counters"]["cats"], range(CATS * least, CATS * most + 1))

    def end_the_rest(self, hive):
        """Kills those that still count; those that follow them do not."""
        pids = hive.pids()
        hive.stop_counting(pids)
        for pid in pids.values():
            hive.kill9(pid)

    def test_killed_before_their_latest_counts_were_sent(self):
        with Counting(workers=3, counting=3) as hive:
            pids = hive.wait_ready(3) and hive.pids()
            for worker in pids:
                hive.wait_more(worker)
            before = hive.stop_counting(pids)
            for pid in pids.values():
                hive.kill9(pid)
            status = replaced(hive, 3, 3)
            counted = sum(note.done for note in hive.all().values())
            self.assertEqual(counted, sum(note.begun for note in hive.all().values()))
            self.assertLess(before["totals"]["requests"], counted)  # or this test would show nothing
            self.assertEqual(status["totals"]["requests"], counted)
            self.assertEqual(status["counters"], {"cats": CATS * counted})
            self.assertEqual(set(by_id(status, "requests").values()), {0})
            hive.stop()

    def test_killed_at_any_moment(self):
        kills = 12
        with Counting(workers=2, counting=2 + kills) as hive:
            hive.wait_ready(2)
            for n in range(kills):
                worker, pid = min(hive.pids().items())
                hive.wait_more(worker, times=500 + 37 * n)
                hive.kill9(pid)
                replaced(hive, n + 1, 2)
            self.end_the_rest(hive)
            self.check(hive, replaced(hive, kills + 2, 2))
            hive.stop()

    def test_that_leave(self):
        with Counting(workers=3, counting=3) as hive:
            pids = hive.wait_ready(3) and hive.pids()
            for worker in pids:
                hive.wait_more(worker)
            self.assertEqual(hive.skep("scale", "1").code, 0)
            hive.wait_status(lambda status: len(status["workers"]) == 1, "one worker")
            self.end_the_rest(hive)
            self.check(hive, replaced(hive, 1, 1))
            hive.stop()


if __name__ == "__main__":
    unittest.main()
