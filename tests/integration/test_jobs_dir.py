#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""skep jobs: durable jobs in a directory; a file that is cut, has flipped bits, or is another's."""
import contextlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
import unittest
from pathlib import Path

from hive import program, wait_until
from jobs import Submitter, Workers, dead_letters, peek, queue_status, wait_queue

PAGE = 4096
JOBS = 60  # in the file that is damaged
FLIPS = 40


def skep(*arguments, data=None):
    done = subprocess.run([program("skep"), "jobs", *map(str, arguments)], input=data, capture_output=True, text=True,
                          timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """A file with jobs in several states, and its log, as a broker that was killed has left them."""
        cls.place = Path(tempfile.mkdtemp(prefix="skep-jobs-dir-", dir="/tmp"))
        cls.addClassCleanup(shutil.rmtree, cls.place, ignore_errors=True)
        cls.made = cls.place / "made"
        with Workers("other", "bad", options=["--jobs", cls.made]) as hive:
            hive.wait_ready(2)
            with Submitter(hive.folder) as submitter:
                for _ in range(JOBS // 3):
                    submitter.submit("q", 1, "x" * 1500, outcomes=False)
                    submitter.submit("q", 1, "x" * 9000, outcomes=False, priority=3)
                    submitter.submit("r", 1, "x" * 100, outcomes=False, delay_ms=3600000)
                    submitter.wait_answers()  # a commit each
                submitter.submit("bad", 2, "fail", outcomes=False)
                submitter.submit("q", 1, outcomes=False, keys=[b"key"])
                submitter.wait_answers()
            wait_until(lambda: len(dead_letters(hive, "bad")) == 2, "dead letters")
            hive.kill9(hive.pid)
            hive.wait_exit()
        cls.whole = cls.export(cls.made)

    @staticmethod
    def export(folder):
        code, output, errors = skep("export", folder)
        assert code == 0, errors
        return {job["id"]: job for job in map(json.loads, output.splitlines())}

    def copy(self, name, whole_file=False):
        """Another of the same; whole_file: without a log."""
        folder = self.place / name
        shutil.copytree(self.made, folder)
        if whole_file:
            with contextlib.closing(sqlite3.connect(folder / "jobs.db")) as database:
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                database.execute("PRAGMA journal_mode = DELETE")
        return folder

    def start(self, folder):
        return Workers("other", options=["--jobs", folder])


class Whole(Case):
    def test_check(self):
        code, output, errors = skep("check", self.copy("check"))
        self.assertEqual((code, errors), (0, ""))
        self.assertRegex(output, rf"^{JOBS + 1} jobs, 2 dead letters, 3 queues")
        checked = json.loads(skep("check", "--json", self.copy("check-json"))[1])
        self.assertEqual((checked["jobs"], checked["dead"], checked["findings"]), (JOBS + 1, 2, []))

    def test_export_and_import(self):
        self.assertEqual(len(self.whole), JOBS + 3)
        dead = [job for job in self.whole.values() if job["state"] == "dead"]
        self.assertEqual([job["cause"] for job in dead], ["refused"] * 2)
        lines = skep("export", self.made)[1]
        folder = self.place / "imported"
        folder.mkdir(0o700)
        code, _, errors = skep("import", folder, data=lines)
        self.assertEqual((code, errors), (0, f"skep: jobs: {JOBS + 3} lines imported\n"))
        self.assertEqual(self.export(folder), self.whole)
        self.assertEqual(skep("check", folder)[0], 0)
        with self.start(folder) as hive:
            hive.wait_ready(2)
            self.assertEqual([job["id"] for job in peek(hive, "q")],
                             [i for i, job in sorted(self.whole.items(), key=lambda one: (one[1]["priority"], one[0]))
                              if job["queue"] == "q"])
            self.assertEqual(queue_status(hive, "r")["delayed"], JOBS // 3)
            self.assertEqual(len(dead_letters(hive, "bad")), 2)
            hive.stop()

    def test_import_into_a_file_that_has_jobs(self):
        folder = self.copy("more")
        code, _, errors = skep("import", folder, data='{"queue": "q", "id": 2, "data_hex": "00ff"}\n\n{"queue": "new"}\n')
        self.assertEqual(code, 0, errors)
        more = {i: job for i, job in self.export(folder).items() if i not in self.whole}
        self.assertEqual([(job["queue"], job.get("data_hex")) for job in more.values()], [("q", "00ff"), ("new", None)])
        self.assertGreater(min(more), max(self.whole))

    def test_lines_that_are_wrong(self):
        folder = self.copy("wrong")
        for line, why in (('{"queue": "q"', "line 2: column 1?[0-9]: .*"), ("[]", "line 2: expected an object"),
                          ('{"data": "x"}', "line 2: queue: it is missing"),
                          ('{"queue": 1}', "line 2: queue: expected a string"),
                          ('{"queue": "q", "size": 1}', "line 2: size: unknown member"),
                          ('{"queue": "q", "priority": 200}', "line 2: priority: expected a number from -128 to 127"),
                          ('{"queue": "q", "data_hex": "0g"}', "line 2: data_hex: expected pairs of hexadecimal digits"),
                          ('{"queue": "q", "state": "done"}', "line 2: state: expected ready, delayed or dead"),
                          ('{"queue": "q", "attempt": -1}', "line 2: attempt: expected a number from 1 to 4294967295"),
                          (json.dumps({"queue": "q" * 65}), "line 2: queue: it is too long")):
            code, _, errors = skep("import", folder, data='{"queue": "q", "data": "good"}\n' + line + "\n")
            self.assertEqual(code, 65, line)
            self.assertRegex(errors, f"^skep: jobs: {why}; nothing was imported\n$")
        self.assertEqual(self.export(folder), self.whole)


class Refused(Case):
    def test_what_is_not_there(self):
        for verb in ("check", "repair", "export"):
            code, _, errors = skep(verb, self.place / "nowhere")
            self.assertEqual((code, errors), (66, f"skep: jobs: {self.place}/nowhere/jobs.db: No such file or directory\n"))

    def test_a_directory_that_a_broker_has_open(self):
        folder = self.copy("open")
        with self.start(folder) as hive:
            hive.wait_ready(2)
            for verb in ("check", "repair", "export", "import"):
                code, _, errors = skep(verb, folder, data="")
                self.assertEqual((code, errors), (75, f"skep: jobs: {folder}/jobs.db: another process has it open\n"))
            hive.stop()

    def test_a_newer_file_and_what_is_none(self):
        newer, other, text = self.copy("newer", True), self.copy("other", True), self.copy("text", True)
        for folder, pragma in ((newer, "user_version = 9"), (other, "application_id = 1")):
            with contextlib.closing(sqlite3.connect(folder / "jobs.db")) as database:
                database.execute("PRAGMA " + pragma)
        (text / "jobs.db").write_text("no database at all" * 100)
        for folder, status, why in ((newer, 76, "its format is 9"), (other, 73, "it is a database, but not Skep's"),
                                    (text, 73, "file is not a database")):
            for verb in ("check", "export", "import"):
                code, _, errors = skep(verb, folder, data="")
                self.assertEqual(code, status, errors)
                self.assertRegex(errors, f"^skep: jobs: {folder}/jobs.db: {why}.*\n$")

    @unittest.skipIf(os.geteuid() != 0, "needs root")
    def test_a_directory_of_another_user(self):
        folder = self.copy("foreign")
        os.chown(folder, 65534, 65534)
        code, _, errors = skep("check", folder)
        self.assertEqual((code, errors), (73, f"skep: jobs: {folder} belongs to another user\n"))

    def test_usage(self):
        for arguments in ((), ("check",), ("clean", self.made), ("check", self.made, "more")):
            code, _, errors = skep(*arguments)
            self.assertEqual(code, 64)
            self.assertRegex(errors, "^skep: jobs: .*\n$")


class Damaged(Case):
    def assert_repaired(self, folder, before):
        """What is there after a repair was there before, as it was; the broker serves it. Returns how many there are."""
        code, output, errors = skep("repair", folder)
        self.assertEqual((code, errors), (0, ""), before)
        self.assertRegex(output, r"the file as it was: .*/jobs.db.damaged-[0-9T]+")
        code, output, errors = skep("check", folder)
        self.assertEqual(code, 0, output + errors)
        jobs = self.export(folder)
        for number, job in jobs.items():
            was = self.whole[number]
            self.assertEqual({key: job[key] for key in ("data", "priority")}, {key: was[key] for key in ("data", "priority")})
        return len(jobs)

    def assert_serves(self, folder, jobs):
        with self.start(folder) as hive:
            hive.wait_ready(2)
            status = [queue_status(hive, name) or {"ready": 0, "delayed": 0, "dead": 0} for name in ("q", "r", "bad")]
            self.assertLessEqual(sum(one["ready"] + one["delayed"] + one["dead"] for one in status), jobs)
            hive.stop()

    def test_cut_at_each_page(self):
        folder = self.copy("cut", True)
        whole = (folder / "jobs.db").read_bytes()
        counts = []
        for pages in range(1, len(whole) // PAGE):
            for path in folder.iterdir():
                path.unlink()
            (folder / "jobs.db").write_bytes(whole[:pages * PAGE])
            code, output, errors = skep("check", folder)
            self.assertIn(code, (65, 73), f"{pages} pages: {output}{errors}")
            counts.append(self.assert_repaired(folder, f"{pages} pages"))
        self.assertEqual(counts, sorted(counts))
        self.assertGreater(counts[-1], JOBS // 2)
        self.assert_serves(folder, counts[-1])

    def test_flipped_bits(self):
        chance = random.Random(11)
        folder = self.copy("flipped", True)
        whole = (folder / "jobs.db").read_bytes()
        counts = []
        for _ in range(FLIPS):
            for path in folder.iterdir():
                path.unlink()
            flipped = bytearray(whole)
            at = chance.randrange(len(whole))
            flipped[at] ^= 1 << chance.randrange(8)
            (folder / "jobs.db").write_bytes(flipped)
            counts.append(self.assert_repaired(folder, f"byte {at}"))
        self.assertGreaterEqual(min(counts), JOBS // 2)
        self.assertGreaterEqual(sorted(counts)[FLIPS // 2], JOBS + 2)

    def test_a_broker_says_what_to_do(self):
        folder = self.copy("said", True)
        file = folder / "jobs.db"
        data = file.read_bytes()
        at = data.index(b"x" * 1000)
        file.write_bytes(data[:at] + b"y" + data[at + 1:])
        with self.start(folder) as hive:
            self.assertEqual(hive.wait_exit(), 73)
            self.assertRegex(hive.output("err"), rf"skep: jobs: {folder}.*: row [0-9]+ of table frames is damaged; see skep help jobs")
        code, output, errors = skep("check", folder)
        self.assertEqual(code, 65)
        self.assertRegex(output, "(?m)^table frames, row [0-9]+: damaged$")
        self.assertEqual(errors, f"skep: jobs: {folder} is damaged; skep jobs repair {folder} recovers what can be read\n")
        self.assertEqual(self.assert_repaired(folder, "one byte"), JOBS + 2)

    def test_a_row_that_a_running_broker_meets(self):
        """What is before it, and other queues, go on."""
        folder, many = self.place / "met", 150000
        with self.start(folder) as hive:
            hive.wait_ready(2)
            with Submitter(hive.folder) as submitter:
                submitter.submit("q", many, outcomes=False)
                submitter.submit("r", 10, outcomes=False)
                submitter.wait_answers()
            hive.kill9(hive.pid)
            hive.wait_exit()
        with contextlib.closing(sqlite3.connect(folder / "jobs.db")) as database:
            last, n = database.execute("SELECT first, n FROM frames WHERE queue = 1 ORDER BY first DESC LIMIT 1").fetchone()
            database.execute("UPDATE frames SET accepted = accepted + 1 WHERE first = ?", (last,))
            database.commit()
        with Workers("q:100", "r", options=["--jobs", folder]) as hive:
            hive.wait_ready(2)
            wait_queue(hive, "q", lambda q: q["done"] == many - n, "all but those of the damaged row")
            wait_queue(hive, "r", lambda r: r["done"] == 10, "another queue")
            hive.wait_line("jobs on the disk cannot be read: row .* of table frames is damaged; stop the broker")
            with Submitter(hive.folder) as submitter:
                submitter.submit("r", 1)
                submitter.wait_outcomes()
            hive.stop()

    def test_the_log_counts(self):
        """What was committed last is in it, and a tail that was not written whole does not count."""
        folder = self.copy("log")
        self.assertEqual(self.assert_repaired(folder, "nothing"), JOBS + 3)
        folder = self.copy("torn")
        log = folder / "jobs.db-wal"
        data = log.read_bytes()
        log.write_bytes(data[:len(data) * 2 // 3])
        self.assertGreater(self.assert_repaired(folder, "a torn log"), JOBS // 3)

    def test_a_repair_that_was_interrupted(self):
        folder = self.copy("interrupted")
        (folder / "jobs.db.new").write_text("half of it")
        self.assertEqual(self.assert_repaired(folder, "early"), JOBS + 3)
        shutil.copy(folder / "jobs.db", folder / "jobs.db.repaired")
        with self.start(folder) as hive:
            self.assertEqual(hive.wait_exit(), 73)
            self.assertRegex(hive.output("err"), f"a repair was interrupted; end it: skep jobs repair {folder}")
        self.assertEqual(skep("repair", folder)[0], 0)
        self.assertEqual(self.export(folder), self.whole)


if __name__ == "__main__":
    unittest.main()
