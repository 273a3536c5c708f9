#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Other people on the machine: what is theirs stays, and nothing that they have put in the way is believed."""
import fcntl
import os
import re
import shutil
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

from hive import Hive, program, run

NOBODY, SOMEBODY = 65534, 65533
COMMANDS = (("status",), ("events",), ("stop",), ("logs",), ("queues",), ("submit", "mail", "x"), ("call", "1", "x"))


def as_user(uid, *arguments):
    """argv of skep for another user."""
    return [shutil.which("setpriv"), f"--reuid={uid}", f"--regid={uid}", "--clear-groups", program("skep"), *arguments]


class Planted(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="skep-", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.dir = f"{self.folder}/hive"
        os.mkdir(self.dir, 0o700)

    def check(self, done, code, pattern):
        self.assertEqual(done.code, code, done.describe())
        self.assertRegex(done.output("err"), rf"\Askep: {pattern}\Z", done.describe())

    def held_lock(self):
        """A lock that says that this process is a broker."""
        lock = open(f"{self.dir}/lock", "w+")
        self.addCleanup(lock.close)
        lock.write(f"{os.getpid()} 1 default\n")
        lock.flush()
        fcntl.fcntl(lock, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))


class Start(Planted):
    def test_files_of_the_user_stay(self):
        mine = ("news.txt", "control.conf", "inbox.mbox", "outbox.log", "returns.csv", "intake.md", "lock", "control.1")
        for name in mine:
            Path(self.dir, name).write_text("precious")
            with self.subTest(name):
                done = run("skep", "run", "--dir", self.dir, "--", "/bin/true")
                self.check(done, 73, rf"{self.dir}: directory cannot be used: {re.escape(name)} in it is not Skep's")
                self.assertEqual(os.listdir(self.dir), [name])
                self.assertEqual(Path(self.dir, name).read_text(), "precious")
            os.unlink(f"{self.dir}/{name}")

    def test_after_a_broker_that_was_killed(self):
        for _ in range(2):
            with Hive("hello", "--listen", "tcp://127.0.0.1:0", folder=self.dir, workers=1) as hive:
                hive.wait_ready(1)
                hive.kill9(hive.pid)
        self.assertGreater(len(os.listdir(self.dir)), 1)
        with Hive("hello", "--listen", "tcp://127.0.0.1:0", folder=self.dir, workers=1) as hive:
            hive.wait_ready(1)
            hive.stop()
        self.assertEqual(os.listdir(self.dir), ["lock"])

    def test_a_fifo(self):
        os.mkfifo(f"{self.dir}/lock")
        self.check(run("skep", "run", "--dir", self.dir, "--", "/bin/true"), 73, ".*: lock in it is not Skep's")

    def test_others_may_write_above(self):
        os.chmod(self.folder, 0o777)
        self.check(run("skep", "run", "--dir", self.dir, "--", "/bin/true"), 73,
                   f".*: others may write to {self.folder}")
        self.assertEqual(os.listdir(self.dir), [])

    @unittest.skipUnless(os.geteuid() == 0, "only root can act for others")
    def test_a_foreign_folder_in_the_usual_place(self):
        folder = Path(f"/tmp/skep-{SOMEBODY}")
        if folder.exists():
            self.skipTest(f"{folder} exists")
        folder.mkdir()
        self.addCleanup(shutil.rmtree, folder)
        folder.chmod(0o777)
        os.chown(folder, NOBODY, NOBODY)
        env = {name: value for name, value in os.environ.items() if name not in ("XDG_RUNTIME_DIR", "SKEP_DIR")}
        done = subprocess.run(as_user(SOMEBODY, "run", "--", "/bin/true"), env=env, capture_output=True, text=True)
        self.assertEqual(done.returncode, 73, done.stderr)
        self.assertRegex(done.stderr, rf"\Askep: {folder}/default: .*: {folder} belongs to another user\n\Z")
        self.assertEqual(list(folder.iterdir()), [])


class Commands(Planted):
    """No command believes what another user may have put there, and none waits for it."""

    def refused(self, code, pattern):
        for command in COMMANDS:
            with self.subTest(command):
                self.check(run("skep", *command, "--dir", self.dir, deadline_s=10), code, pattern)

    def test_a_fifo(self):
        os.mkfifo(f"{self.dir}/lock")
        self.refused(73, rf"{self.dir}: .*: its lock is not a file of its owner")

    def test_others_may_write_above(self):
        self.held_lock()
        os.chmod(self.folder, 0o777)
        self.refused(73, rf"{self.dir}: .*: others may write to {self.folder}")

    @unittest.skipUnless(os.geteuid() == 0, "only root can act for others")
    def test_another_users_broker(self):
        self.held_lock()
        os.chmod(self.folder, 0o755)
        os.chmod(self.dir, 0o755)
        os.chmod(f"{self.dir}/lock", 0o644)
        for command in COMMANDS:
            with self.subTest(command):
                done = subprocess.run(as_user(SOMEBODY, *command, "--dir", self.dir), capture_output=True, text=True,
                                      timeout=10)
                self.assertEqual(done.returncode, 77, done.stderr)
                self.assertEqual(done.stderr, f"skep: {self.dir}: it belongs to another user\n")

    @unittest.skipUnless(os.geteuid() == 0, "only root can act for others")
    def test_a_planted_link(self):
        self.held_lock()
        link = f"{self.folder}/link"
        os.symlink("hive", link)
        os.lchown(link, NOBODY, NOBODY)
        self.check(run("skep", "status", "--dir", link), 73, rf"{link}: .*: {link} belongs to another user")


if __name__ == "__main__":
    unittest.main()
