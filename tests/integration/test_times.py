# SPDX-License-Identifier: MIT
"""How long things were handled: whatever workers report adds up, so that a quantile over all of them is right."""
import unittest
from pathlib import Path

from hive import Connection, Hive, wait_until
from jobs import CLIENTS, Submitter, ask, job_worker_path, wait_queue, workers
from wire import pack_times, quantile_ms, unpack_times  # jobs.py has made it findable

URL = "tcp://127.0.0.1:0"


def timed(*arguments, **options):
    return Hive(str(Path(job_worker_path()).with_name("timed")), *arguments, **options)


def times(hive, what, worker=None):
    """The histogram of all, or of one worker; an empty one if there is none."""
    for command in ask(hive, "status", times=True):
        if (command["cmd"], command.get("what"), command.get("worker")) == ("handlingStatus", what, worker):
            return unpack_times(command["times"])
    return unpack_times(b"")


def wait_times(hive, what, count, worker=None):
    """The histogram once it has so many durations."""
    def look():
        found = times(hive, what, worker)
        return found if found.total() >= count else None
    return wait_until(look, f"{count} durations of {what}", context=hive.describe)


class Merged(unittest.TestCase):
    """Worker 1 takes 1 ms for each of 980 requests, worker 2 takes 1 s for each of 20."""

    def near(self, shown_ms, ms):
        self.assertGreaterEqual(shown_ms, ms)
        self.assertLess(shown_ms, ms * 1.01)

    def test_quantiles_are_those_of_all_requests(self):
        with timed("1:980x1", "2:20x1000") as hive:
            hive.wait_status(lambda status: len(status["workers"]) == 2)
            of_all = wait_times(hive, "request", 1000)
            one, two = (wait_times(hive, "request", count, worker) for worker, count in ((1, 980), (2, 20)))
            self.near(quantile_ms(of_all, 0.5), 1)
            self.near(quantile_ms(of_all, 0.98), 1)  # the mean of both workers' would be 500 ms
            self.near(quantile_ms(of_all, 0.99), 1000)
            self.near(quantile_ms(one, 0.99), 1)
            self.near(quantile_ms(two, 0.01), 1000)
            self.assertEqual(of_all, one + two)
            hive.stop()

    def test_what_a_worker_has_done_outlives_it(self):
        with timed("1:10x1", "2:10x5") as hive:
            status = hive.wait_status(lambda status: len(status["workers"]) == 2)
            before = wait_times(hive, "request", 20)
            hive.kill9(next(worker["pid"] for worker in status["workers"] if worker["id"] == 1))
            hive.wait_status(lambda status: {worker["id"] for worker in status["workers"]} == {2, 3})
            self.assertEqual(times(hive, "request"), before)
            self.assertEqual(times(hive, "request", 1).total(), 0)
            self.assertEqual(times(hive, "request", 2).total(), 10)
            hive.stop()

    def test_only_for_those_who_ask(self):
        with timed("1:10x1") as hive:
            hive.wait_ready(2)
            wait_times(hive, "request", 10)
            self.assertNotIn("handlingStatus", [command["cmd"] for command in ask(hive, "status")])
            hive.stop()


class Measured(unittest.TestCase):
    def test_connections_and_requests(self):
        with Hive("hello", "--listen", URL) as hive:
            hive.wait_ready(2)
            with Connection(hive.url) as kept:
                kept.request()
                wait_times(hive, "request", 1)  # while it was open this took as long as a report does
                kept.request(close=True)
            lasted = wait_times(hive, "connection", 1)
            took = wait_times(hive, "request", 2)
            self.assertEqual((lasted.total(), took.total()), (1, 2))
            self.assertGreater(quantile_ms(lasted, 1), quantile_ms(took, 0.5))
            hive.stop()

    def test_jobs_by_queue(self):
        with workers("slow", "fast", count=2) as hive:
            hive.wait_ready(2)
            with Submitter(hive.folder) as submitter:
                submitter.submit("slow", 6, "spend 50")
                submitter.submit("slow", 2, "keep 300")
                submitter.submit("fast", 20, "done")
                submitter.wait_outcomes()
            wait_times(hive, "job", 28)
            slow, fast = (unpack_times(wait_queue(hive, name, lambda queue: "times" in queue, "times")["times"])
                          for name in ("slow", "fast"))
            self.assertEqual((slow.total(), fast.total()), (8, 20))
            self.assertGreaterEqual(quantile_ms(slow, 0.01), 50)
            self.assertGreaterEqual(quantile_ms(slow, 1), 299)  # a loop counts whole milliseconds
            self.assertEqual(times(hive, "job"), slow + fast)
            hive.stop()

    def test_by_a_worker_in_another_language(self):
        with Hive("/usr/bin/python3", "-B", CLIENTS / "worker.py", "--listen", URL) as hive:
            hive.wait_ready(2)
            with Connection(hive.url) as connection:
                for _ in range(5):
                    connection.request()
            self.assertEqual(wait_times(hive, "request", 5).total(), 5)
            hive.stop()

    def test_the_packing_of_the_page(self):
        self.assertEqual(pack_times([100_000, 100_000, 10**9]), bytes.fromhex("c30302aa0d01"))


if __name__ == "__main__":
    unittest.main()
