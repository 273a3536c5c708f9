#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A worker is ready only when its inbox and outbox are: workers of other users, in other root directories, or slow."""
import os
import pwd
import shutil
import socket
import tempfile
import unittest
from pathlib import Path

from hive import Hive, run, wait_until

PROGRAM = str(Path(os.environ["SKEP_TEST_BIN"]) / "belongings")
CLIENTS = Path(__file__).resolve().parent.parent / "clients"
PYTHON = "/usr/bin/python3"
NOBODY, SOMEBODY = 65534, 65533
OVER_NNG = os.environ.get("SKEP_TRANSPORT") == "nng"
needs_root = unittest.skipIf(os.geteuid() != 0, "needs root, to become somebody else")

# Says that it is ready at once, connects what each line of a file names, disconnects "-NAME", and ends with its link.
SLOW = f"""
import os, socket, sys
sys.path.insert(0, {str(CLIENTS)!r})
import wire
link = wire.Link()
link.send(wire.pack("hello", protocol=1, pid=os.getpid()))
welcome = link.receive()[0][0]
link.send(wire.pack("ready"))
protocols, pipes = {{"inbox": wire.PULL, "outbox": wire.PUSH}}, {{}}
for line in map(str.strip, open(sys.argv[1])):
    if line in protocols:
        pipes[line] = wire.Pipe(welcome[line], protocols[line])
    else:
        pipes.pop(line[1:]).close()
link.receive()
"""


def facts_of(pid):
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return {"uid": int(status["Uid"].split()[1]), "gid": int(status["Gid"].split()[1]), "groups": status["Groups"].split(),
            "umask": status["Umask"].strip(), "cwd": os.readlink(f"/proc/{pid}/cwd"),
            "env": [v for v in variables if v.startswith("TEST_")]}


def connects_as(uid, path):
    """Whether a process of this user may connect to a socket, as far as files go."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(path))
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="skep-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def hive(self, *command, options=(), **more):
        hive = Hive(*command, folder=f"{self.folder}/d", options=options, **more)
        self.addCleanup(hive.__exit__, None)
        return hive

    def facts(self, hive):
        """Of the workers that stay."""
        return [facts_of(worker["pid"]) for worker in hive.status()["workers"] if worker["state"] == "ready"]

    def assert_echoes(self, hive):
        done = hive.skep("submit", "echo", "text", "--wait")
        self.assertEqual((done.code, done.output("out")), (0, "text"), hive.describe())


class Readiness(Case):
    def test_not_before_both_channels_are_connected(self):
        fifo = f"{self.folder}/fifo"
        os.mkfifo(fifo)
        hive = self.hive(PYTHON, "-B", "-c", SLOW, fifo, workers=1)
        with open(fifo, "w", buffering=1) as said:
            for channel in ("inbox", "outbox"):
                hive.wait_status(lambda status: status["workers"][0]["state"] == "online", "a worker that is online")
                self.assertEqual(hive.count(r": ready$"), 0, channel)
                print(channel, file=said)
        hive.wait_line(r"worker 1 pid \d+: ready$")
        hive.wait_ready(1)

    @unittest.skipIf(OVER_NNG, "NNG does not tell that a connection has ended")
    def test_a_channel_that_is_lost(self):
        fifo = f"{self.folder}/fifo"
        os.mkfifo(fifo)
        hive = self.hive(PYTHON, "-B", "-c", SLOW, fifo, workers=1, options=("--ready-timeout", "1"))
        with open(fifo, "w", buffering=1) as said:
            print("inbox\noutbox", file=said)
            hive.wait_ready(1)
            print("-outbox\noutbox\n-inbox\ninbox", file=said)  # within the time
            hive.wait_line(r"worker 1 pid \d+: error: its connection to its (in|out)box was cut")
            print("-outbox", file=said)
            hive.wait_line("error: not ready after 1000 ms: it reported ready, but has lost the connection to its "
                           f"outbox in {self.folder}/d$")
            hive.wait_line(r"worker 1 .*\(not-ready\)")

    def test_what_never_connects_is_ended_with_a_reason(self):
        for channels, missing in (("", "inbox and outbox"), ("inbox", "outbox"), ("outbox", "inbox")):
            with self.subTest(missing):
                file = Path(f"{self.folder}/channels")
                file.write_text(channels)
                hive = self.hive(PYTHON, "-B", "-c", SLOW, str(file), workers=1, options=("--ready-timeout", "0.5"))
                hive.wait_line("error: not ready after 500 ms: it reported ready, but has not connected to its "
                               f"{missing} in {self.folder}/d$")
                hive.wait_line(r"worker 1 .*\(not-ready\)")
                self.assertEqual(hive.count(r": ready$"), 0)
                hive.stop()

    @needs_root
    def test_another_root_directory(self):
        hive = self.hive(PROGRAM, "root", self.folder, workers=1, options=("--ready-timeout", "0.5"))
        hive.wait_line("not ready after 500 ms: .* inbox and outbox .*, which is not in its root directory$")
        self.assertEqual(hive.count(r": ready$"), 0)

    @needs_root
    def test_a_user_who_may_not_connect(self):
        hive = self.hive("/usr/bin/setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", PROGRAM,
                         workers=1)
        hive.wait_line(rf"worker 1 pid \d+: error: it runs as user {NOBODY}, which may not connect .*--user")
        hive.wait_line(r"worker 1 pid \d+: exited with status \d+ \(protocol\)")
        self.assertEqual(hive.count(r": ready$"), 0)

    @needs_root
    def test_who_changes_the_user_later_works(self):
        hive = self.hive(PROGRAM, "user", workers=1)
        hive.wait_ready(1)
        self.assert_echoes(hive)
        self.assertEqual(hive.skep("reload").code, 0)
        self.assert_echoes(hive)


class Surroundings(Case):
    def test_of_a_run_and_of_a_reload(self):
        os.mkdir(f"{self.folder}/one")
        os.mkdir(f"{self.folder}/two")
        hive = self.hive(PROGRAM, workers=2, options=("--cwd", f"{self.folder}/one", "--env", "TEST_A=1", "--env",
                                                      "TEST_B=x=y", "--umask", "027"))
        hive.wait_ready(2)
        for facts in self.facts(hive):
            self.assertEqual((facts["cwd"], facts["env"], facts["umask"]),
                             (f"{self.folder}/one", ["TEST_A=1", "TEST_B=x=y"], "0027"))
        asked = ("--cwd", f"{self.folder}/two", "--env", "TEST_A=2", "--env", "TEST_C=", "--umask", "0")
        self.assertEqual(hive.skep("reload", *asked).code, 0)
        wanted = (f"{self.folder}/two", {"TEST_A=2", "TEST_B=x=y", "TEST_C="}, "0000")
        hive.kill9(hive.pids()[4])  # a replacement is started from the same; the old ones may still be there
        hive.wait_line(r": ready$", times=5)
        for facts in self.facts(hive):
            self.assertEqual((facts["cwd"], set(facts["env"]), facts["umask"]), wanted)

    def test_a_program_that_is_not_in_the_directory(self):
        """Its path is that from the workers' directory: the message says where it was looked for."""
        for path in ("./env", "bin/env"):
            done = run("skep", "run", "--dir", f"{self.folder}/hive", "--cwd", self.folder, "--", path)
            self.assertEqual(done.code, 127)
            self.assertIn(f"{path}: program not found, looked for {self.folder}/{path.removeprefix('./')}",
                          done.output("err").splitlines()[-1])

    def test_a_reload_that_fails_changes_nothing(self):
        hive = self.hive(PROGRAM, workers=1, options=("--env", "TEST_A=1"))
        hive.wait_ready(1)
        done = hive.skep("reload", "--cwd", f"{self.folder}/none", "--env", "TEST_A=2")
        self.assertNotEqual(done.code, 0)
        self.assertIn(f"{self.folder}/none: cannot be the working directory", done.output())
        self.assertEqual(hive.skep("reload").code, 0)
        self.assertEqual([facts["env"] for facts in self.facts(hive)], [["TEST_A=1"]])

    def test_what_is_wrong_is_said(self):
        for options, why in ((("--user", "no-such-user"), "there is no such user"),
                             (("--user", "0:no-such-group"), "there is no such group"),
                             (("--user", ":0"), "expected NAME or NAME:GROUP"),
                             (("--user", "4294967295:0"), "there is no such user"),
                             (("--umask", "8"), "expected an octal number"),
                             (("--umask", "1000"), "expected an octal number"),
                             (("--env", "NAME"), "expected NAME=VALUE"),
                             (("--env", "=VALUE"), "expected NAME=VALUE"),
                             (("--cwd", ""), "the directory is empty")):
            with self.subTest(options):
                for command in (("run", *options, "--", "true"), ("reload", *options)):
                    done = run("skep", *command)
                    self.assertEqual(done.code, 64, done.describe())
                    self.assertIn(why, done.output("err"))


@needs_root
class OtherUsers(Case):
    def test_workers_of_another_user(self):
        hive = self.hive(PROGRAM, workers=2, options=("--user", f"{NOBODY}:{SOMEBODY}"))
        hive.wait_ready(2)
        for facts in self.facts(hive):
            self.assertEqual((facts["uid"], facts["gid"], facts["groups"]), (NOBODY, SOMEBODY, []))
        self.assert_echoes(hive)
        self.assertEqual(os.stat(hive.folder).st_mode & 0o777, 0o711)
        reachable = {path.name.split(".")[0]: connects_as(NOBODY, path) for path in Path(hive.folder).iterdir()}
        self.assertEqual(reachable, {"lock": False, "control": False, "intake": False, "news": True, "outbox": True,
                                     "inbox": True})
        for path in Path(hive.folder).iterdir():
            self.assertFalse(connects_as(SOMEBODY, path), path)
        hive.kill9(hive.pids()[1])
        hive.wait_ready(2)
        self.assert_echoes(hive)
        hive.stop()

    def test_a_name(self):
        entry = pwd.getpwuid(NOBODY)
        hive = self.hive(PROGRAM, workers=1, options=("--user", entry.pw_name))
        hive.wait_ready(1)
        self.assertEqual([(facts["uid"], facts["gid"]) for facts in self.facts(hive)], [(NOBODY, entry.pw_gid)])

    def test_a_reload_to_another_user(self):
        """Both are there for a while; only they are let in."""
        hive = self.hive(PROGRAM, workers=2, options=("--user", f"{NOBODY}:{NOBODY}"))
        hive.wait_ready(2)
        self.assertEqual(hive.skep("reload", "--user", f"{SOMEBODY}:{SOMEBODY}").code, 0)
        self.assertEqual({facts["uid"] for facts in self.facts(hive)}, {SOMEBODY})
        self.assert_echoes(hive)
        outbox = next(path for path in Path(hive.folder).iterdir() if path.name.startswith("outbox"))
        self.assertTrue(connects_as(SOMEBODY - 1, outbox))
        if not OVER_NNG:  # who says nothing is nobody to it
            hive.wait_line(rf"refused process \d+ of user {SOMEBODY - 1}")
        self.assertEqual(hive.skep("reload").code, 0)
        self.assertEqual({facts["uid"] for facts in self.facts(hive)}, {SOMEBODY})

    def test_a_directory_that_the_user_cannot_reach(self):
        os.chmod(self.folder, 0o700)
        hive = self.hive(PROGRAM, workers=1, options=("--user", f"{NOBODY}:{NOBODY}"))
        self.assertEqual(hive.wait_exit(), 77)
        hive.wait_line(rf"^skep: {self.folder}/d: user {NOBODY} of the workers cannot reach this directory: ")


if __name__ == "__main__":
    unittest.main(verbosity=2)
