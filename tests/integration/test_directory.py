#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A broker whose directory goes away while it runs: it continues, makes nothing where another broker's directory may
be, removes nothing of that, and starts workers again as soon as its own is back."""
import contextlib
import os
import shutil
import tempfile
import unittest
from pathlib import Path

from faults import TCP, actors
from hive import Hive
from jobs import job_worker_path

OVER_NNG = os.environ.get("SKEP_TRANSPORT") == "nng"
SOMEBODY = 65533
GONE = "error: no replacement: .*: directory cannot be used: it was removed"


@contextlib.contextmanager
def hive_in(folder):
    with Hive(job_worker_path(), "q", workers=1, folder=folder, env={"JOB_LOG": f"{folder}.log"}) as hive:
        yield hive


class Removed(unittest.TestCase):
    def setUp(self):
        self.above = self.enterContext(tempfile.TemporaryDirectory(prefix="skep-"))
        self.folder = str(Path(self.above, "hive"))

    def sockets(self):
        return sorted(path.name for path in Path(self.folder).iterdir())

    @unittest.skipIf(OVER_NNG, "NNG removes the files of its sockets by their names")
    def test_the_next_broker_keeps_its_sockets(self):
        with hive_in(self.folder) as first:
            pid = first.wait_ready(1)["workers"][0]["pid"]
            shutil.rmtree(self.folder)
            with hive_in(self.folder) as second:
                second.wait_ready(1)
                before = self.sockets()
                first.kill9(pid)
                first.wait_line(GONE + ", and another one is in its place; trying again")
                self.assertEqual(self.sockets(), before)
                os.kill(first.pid, 15)
                self.assertEqual(first.wait_exit(), 0)
                self.assertEqual(self.sockets(), before)
                done = second.skep("submit", "q", "1 done", "--wait")
                self.assertEqual(done.code, 0, done.describe())
                second.stop()

    def test_it_is_back(self):
        """However often no worker could be started meanwhile, which says nothing about the program."""
        with hive_in(self.folder) as hive:
            pid = hive.wait_ready(1)["workers"][0]["pid"]
            os.rename(self.folder, self.folder + ".away")
            hive.kill9(pid)
            hive.wait_line(GONE + "; trying again")
            os.rename(self.folder + ".away", self.folder)
            hive.wait_ready(1)
            self.assertEqual(hive.count("no replacement"), 1, hive.describe())
            hive.stop()


class Unwritable(unittest.TestCase):
    def test_until_it_is_writable_again(self):
        somebody = SOMEBODY if os.geteuid() == 0 else None  # root may write anywhere
        with actors(TCP, workers=1, user=somebody) as hive:
            pid = hive.wait_ready(1)["workers"][0]["pid"]
            os.chmod(hive.folder, 0o500)
            hive.kill9(pid)
            hive.wait_line(r"error: no replacement: inbox of worker \d+: permission denied; trying again")
            os.chmod(hive.folder, 0o700)
            hive.wait_ready(1)
            hive.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
