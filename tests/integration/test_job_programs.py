# SPDX-License-Identifier: MIT
"""The example programs that handle jobs: jobs, whose queue is sha256, and the pipeline of fetch and thumbnail, with workers that are killed."""
import contextlib
import fcntl
import hashlib
import os
import random
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from faults import stopped
from hive import Hive, program, wait_until
from jobs import DEADLINE_JOBS_S, Submitter, dead_letters, queue_status, wait_queue
from pictures import png, size_of

MIB = 1 << 20


def submit(hive, queue, payload):
    """skep submit --wait: its exit status, its result, what it said."""
    done = subprocess.run([program("skep"), "submit", "--dir", hive.folder, "--wait", queue, "-"], input=payload,
                          capture_output=True, timeout=DEADLINE_JOBS_S)
    return done.returncode, done.stdout, done.stderr.decode()


class Sha256(unittest.TestCase):
    def test_digests(self):
        with Hive("jobs") as hive:
            hive.wait_ready(2)
            for payload in (b"", b"abc", bytes(range(256)), random.randbytes(MIB)):
                self.assertEqual(submit(hive, "sha256", payload), (0, hashlib.sha256(payload).hexdigest().encode(), ""))
            hive.stop()

    def test_each_digest_is_right_while_workers_are_killed(self):
        jobs, kills = 20000, 8
        with Hive("jobs", workers=3, options=["--deaths", kills + 1, "--job-credit", 256]) as hive:
            hive.wait_ready(3)
            with Submitter(hive.folder) as submitter:
                keys = submitter.submit("sha256", jobs, "of this")
                for kill in range(kills):
                    wait_queue(hive, "sha256", lambda queue: queue["done"] >= kill * jobs // kills, "more jobs done")
                    hive.kill9(random.choice(list(hive.pids().values())))
                submitter.wait_outcomes()
                self.assertEqual(submitter.deaths, {})
                wanted = {key: hashlib.sha256(f"{key} of this".encode()).hexdigest().encode() for key in keys}
                self.assertEqual(submitter.results, wanted)
            queue = queue_status(hive, "sha256")
            self.assertEqual((queue["submitted"], queue["done"]), (jobs, jobs))
            hive.stop()

    def test_alone_it_says_what_it_lacks(self):
        done = subprocess.run([program("jobs")], capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r"\Ajobs: cannot join the broker: .+\n\Z")


class Pipeline(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="skep-files-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def file(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return str(path).encode()

    @contextlib.contextmanager
    def pipeline(self, fetchers=1, thumbnailers=1, **options):
        arguments = ["--fetchers", fetchers, "--thumbnailers", thumbnailers]
        with Hive("pipeline", *arguments, primary=True, **options) as hive:
            hive.wait_ready(fetchers + thumbnailers)
            yield hive
            hive.stop()

    @staticmethod
    def pids(hive, name):
        return [worker["pid"] for worker in hive.status()["workers"] if worker.get("name") == name]

    def wait_reserved(self, hive, queue, count=1):
        wait_queue(hive, queue, lambda status: status["reserved"] == count, f"{count} jobs of {queue} worked on")

    def test_a_thumbnail_of_a_file(self):
        with self.pipeline() as hive:
            for size, wanted in (((300, 200), (128, 85)), ((2, 3), (2, 3)), ((3000, 1), (128, 1)), ((1, 500), (1, 128))):
                code, result, said = submit(hive, "fetch", self.file("picture.png", png(*size)))
                self.assertEqual((code, said), (0, ""))
                self.assertEqual(size_of(result), wanted)
            self.assertEqual([queue_status(hive, name)["done"] for name in ("fetch", "thumbnail")], [4, 4])

    def test_a_file_that_cannot_be_read(self):
        os.mkfifo(self.folder / "pipe")
        with self.pipeline() as hive:
            for name, why in (("missing", "No such file or directory"), ("", "Is a directory"), ("pipe", "Invalid argument"),
                              ("a\0b", "not the name of a file")):
                code, result, said = submit(hive, "fetch", f"{self.folder}/{name}".encode())
                self.assertEqual((code, result), (65, b""))
                self.assertRegex(said, f"is a dead letter: refused: {why}\n")
            code, _, said = submit(hive, "fetch", self.file("large", bytes(MIB + 1)))
            self.assertEqual(code, 65)
            self.assertRegex(said, "File too large")
            self.assertEqual({job["attempt"] for job in dead_letters(hive, "fetch")}, {1})
            self.assertIsNone(queue_status(hive, "nothing"))
            self.assertEqual(queue_status(hive, "thumbnail")["submitted"], 0)

    def test_what_is_no_image(self):
        good = png(300, 200)
        files = (("text", b"hello", "neither PNG nor JPEG"), ("empty", b"", "neither PNG nor JPEG"),
                 ("full", random.randbytes(MIB), "neither PNG nor JPEG"),
                 ("cut", good[:len(good) - 40], "a broken image"), ("huge", png(60000, 60000, b"\0"), "too many pixels"))
        with self.pipeline() as hive:
            for name, content, why in files:
                code, result, said = submit(hive, "fetch", self.file(name, content))
                self.assertEqual((code, result), (65, b""), name)
                self.assertRegex(said, f"is a dead letter: refused: {why}\n")
            for queue in ("fetch", "thumbnail"):
                self.assertEqual([job["reason"] for job in dead_letters(hive, queue)], [why for _, _, why in files])

    def test_a_busy_file_is_tried_again(self):
        """Somebody has a lease on the file (fcntl, F_SETLEASE): whoever opens it is told to come again."""
        path = self.file("picture.png", png(20, 20))
        self.addCleanup(signal.signal, signal.SIGIO, signal.signal(signal.SIGIO, signal.SIG_IGN))
        with self.pipeline() as hive, open(path, "r+b") as owner, Submitter(hive.folder) as submitter:
            fcntl.fcntl(owner, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            submitter.submit("fetch", 1, payload=path)
            wait_queue(hive, "fetch", lambda status: status["delayed"] == 1, "a delayed job")
            fcntl.fcntl(owner, fcntl.F_SETLEASE, fcntl.F_UNLCK)
            submitter.wait_outcomes()
            self.assertEqual(size_of(submitter.results["1"]), (20, 20))

    def test_killed_in_the_middle(self):
        """Each of them at the moment at which it has a job, and the other waits."""
        path = self.file("picture.png", png(300, 200))
        with self.pipeline() as hive, Submitter(hive.folder) as submitter:
            fetcher, thumbnailer = self.pids(hive, "fetch") + self.pids(hive, "thumbnail")
            with stopped(thumbnailer):
                submitter.submit("fetch", 3, payload=path)
                wait_queue(hive, "thumbnail", lambda status: status["submitted"] == 3, "all passed on")
                hive.kill9(fetcher)
                wait_queue(hive, "thumbnail", lambda status: status["submitted"] == 6, "all passed on again")
                hive.kill9(thumbnailer)
            submitter.wait_outcomes()
            self.assertEqual({size_of(result) for result in submitter.results.values()}, {(128, 85)})
            self.assertEqual((len(submitter.results), submitter.deaths), (3, {}))
            wait_queue(hive, "thumbnail", lambda status: status["done"] == 6, "all done, those for nobody too")

    def test_killed_at_any_moment(self):
        jobs = 60
        path = self.file("picture.png", png(700, 300))
        with self.pipeline(2, 2) as hive, Submitter(hive.folder) as submitter:
            submitter.submit("fetch", jobs, payload=path)
            victims = self.pids(hive, "fetch") + self.pids(hive, "thumbnail")
            for kill, victim in enumerate(victims):
                wait_queue(hive, "fetch", lambda status: status["done"] >= kill * jobs // 5, "more jobs done")
                hive.kill9(victim)
            submitter.wait_outcomes()
            self.assertEqual((len(submitter.results), submitter.deaths), (jobs, {}))
            self.assertEqual({size_of(result) for result in submitter.results.values()}, {(128, 54)})
            self.assertEqual(hive.wait_ready(4)["totals"]["restarts"], 4)

    def test_a_lease_is_extended_while_the_thumbnail_is_waited_for(self):
        env = {"PIPELINE_ROLE": "fetch", "SKEP_TRACE": "wire"}
        with Hive("pipeline", workers=1, options=["--lease", "3"], env=env) as hive:
            hive.wait_ready(1)
            with Submitter(hive.folder) as submitter:
                submitter.submit("fetch", 1, payload=self.file("picture.png", png(2, 2)))
                hive.wait_line(r" extend \{", DEADLINE_JOBS_S)
                self.wait_reserved(hive, "fetch")
            hive.stop()

    def test_it_ends_while_a_thumbnail_is_waited_for(self):
        """The fetcher gives its job back and leaves, although the thumbnail never comes."""
        with Hive("pipeline", "--thumbnailers", 1, primary=True) as hive:
            hive.wait_ready(2)
            events = hive.events()
            events.wait_line(r"from number \d+")
            with Submitter(hive.folder) as submitter, stopped(*self.pids(hive, "thumbnail")):
                submitter.submit("fetch", 1, payload=self.file("picture.png", png(2, 2)))
                wait_queue(hive, "thumbnail", lambda status: status["submitted"] == 1, "it to be passed on")
                fetcher, = self.pids(hive, "fetch")
                os.kill(hive.pid, signal.SIGTERM)
                gone = events.wait_event(lambda event: event["event"] == "exit" and event["worker"]["pid"] == fetcher)
                self.assertEqual(gone["reason"], "voluntary")
            self.assertEqual(hive.wait_exit(), 0)

    def test_one_worker_can_be_both(self):
        with Hive("pipeline", workers=1) as hive:
            hive.wait_ready(1)
            code, result, _ = submit(hive, "fetch", self.file("picture.png", png(2, 3)))
            self.assertEqual((code, size_of(result)), (0, (2, 3)))
            hive.stop()


if __name__ == "__main__":
    unittest.main()
