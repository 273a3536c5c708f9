# SPDX-License-Identifier: MIT
"""Programs of NNG's own sockets as workers and clients of a broker, and a broker of NNG's own sockets for workers and
clients of libskep: each understands the other, nothing is lost and nothing comes twice. nngs.py says with which
versions of NNG."""
import contextlib
import re
import unittest

from hive import Process, program, wait_until
from jobs import DEADLINE_JOBS_S, ask, queue_status, wait_queue
from nngs import ENV, QUEUE, Broker, Case, for_each_nng, path_of

JOBS, LARGEST = 20000, 300 * 1024
MIB = 1024 * 1024
MANY_DEATHS = ["--deaths", "100"]

ECHO_WORKER = f"""name {QUEUE}
handle {QUEUE}
subscribe
job * echo
message echo echo
message shout count shouts 1
"""
BOTH = 'if [ $((SKEP_WORKER_ID % 2)) = 1 ]; then exec ODD; else exec EVEN; fi'


class Peers(Case):
    def skep_worker(self, over_nng=False):
        """A worker of libskep that does what nng_worker does."""
        script = self.folder / "script"
        script.write_text(ECHO_WORKER)
        how = [ENV, "SKEP_TRANSPORT=nng", *self.nng.prefix] if over_nng else [ENV, "-u", "SKEP_TRANSPORT"]
        return [*how, program("skep"), "mock", "worker", "--script", str(script)]

    def one_of_each(self, odd, even):
        """A worker with an odd id is the one, a worker with an even id the other."""
        text = BOTH.replace("ODD", " ".join(odd)).replace("EVEN", " ".join(even))
        return ["/bin/sh", "-c", text]

    @contextlib.contextmanager
    def client(self, hive, jobs=JOBS, largest=LARGEST, *window):
        """nng_client, which runs meanwhile."""
        process = Process(self.nng.command(path_of("nng_client"), hive.folder, QUEUE, str(jobs), str(largest),
                                           *map(str, window)))
        try:
            yield process
        finally:
            process.end()

    def assert_all_came_once(self, client, jobs=JOBS, largest=LARGEST, again=False):
        """nng_client ends well, having heard once of each job, and what it asked for; again: it went back meanwhile."""
        code = client.wait_exit(DEADLINE_JOBS_S)
        told = client.output("out").splitlines()
        self.assertEqual((code, told[0]), (0, f"NNG {self.nng.version}"), client.describe())
        counts = dict(re.findall(r"(\w+) (\d+)", told[1]))
        self.assertEqual(counts.pop("again") != "0", again, client.describe())
        self.assertEqual(counts, {"accepted": str(jobs), "declined": "0", "finished": str(jobs), "died": "0",
                                  "wrong": "0", "twice": "0"})
        self.assertEqual(told[2], f"reply 0 {largest}")
        self.assertRegex(told[3], r"^news [1-9]\d* missed \d+ fetched [1-9]\d* lacking 0$")

    def assert_done_once(self, hive, jobs=JOBS, killed=False):
        """What the broker says of the queue. A worker that was killed may have had a job, or none."""
        status = wait_queue(hive, QUEUE, lambda queue: queue["done"] == jobs, "all done")
        self.assertEqual([status[name] for name in ("submitted", "ready", "reserved", "delayed", "dead", "refused",
                                                    "unclaimed")], [jobs, 0, 0, 0, 0, 0, 0])
        self.assertTrue(killed or status["redelivered"] == 0, status)
        totals = hive.status()["totals"]
        self.assertEqual((totals["bad_frames"], totals["unknown"], totals["stray_answers"]), (0, 0, 0))

    def assert_each_took_part(self, hive):
        for worker in hive.status()["workers"]:
            self.assertGreater(worker["jobs_done"], 0, worker)

    def assert_left(self, hive, workers):
        """After hive.stop(): so many workers have left with grace."""
        self.assertEqual(hive.count(r"worker \d+ pid \d+: exited with status 0 \(voluntary\)"), workers,
                         hive.describe())

    def kill_each_part(self, hive, jobs, kills):
        """Kills a worker each time another part of the jobs is done."""
        for part in range(1, kills + 1):
            goal = part * jobs // (kills + 2)
            wait_until(lambda: queue_status(hive, QUEUE)["done"] >= goal, f"{goal} jobs done", DEADLINE_JOBS_S,
                       hive.describe)
            ready = [worker for worker in ask(hive, "status") if worker.get("state") == "ready"]
            hive.kill9(max(ready, key=lambda worker: worker["jobs"])["pid"])


class Strangers(Peers):
    """Workers and a client of NNG's sockets under a broker of today."""

    def test_every_outcome_comes_once(self):
        with Broker(self.nng_worker(), workers=2) as hive:
            hive.wait_ready(2)
            hive.wait_line(f"NNG {re.escape(self.nng.version)}$", times=2)
            with self.client(hive) as client:
                self.assert_all_came_once(client)
            self.assert_done_once(hive)
            self.assert_each_took_part(hive)
            hive.wait_status(lambda status: status["totals"]["requests"] == JOBS, f"{JOBS} requests")
            hive.stop()
            self.assert_left(hive, 2)

    def test_two_clients_at_the_same_time(self):
        with Broker(self.nng_worker(), workers=2) as hive:
            hive.wait_ready(2)
            with self.client(hive, JOBS // 2) as one, self.client(hive, JOBS // 2) as other:
                self.assert_all_came_once(one, JOBS // 2)
                self.assert_all_came_once(other, JOBS // 2)
            self.assert_done_once(hive)
            hive.stop()

    def test_largest_jobs(self):
        with Broker(self.nng_worker(), workers=2) as hive:
            hive.wait_ready(2)
            with self.client(hive, 2048, MIB) as client:
                self.assert_all_came_once(client, 2048, MIB)
            self.assert_done_once(hive, 2048)
            hive.stop()

    def test_more_than_the_broker_lets_wait(self):
        """A client that submits everything before it reads anything is not heard for a while, and goes back."""
        with Broker(self.nng_worker(), workers=2) as hive:
            hive.wait_ready(2)
            with self.client(hive, JOBS, LARGEST, 256 * MIB) as client:
                self.assert_all_came_once(client, again=True)
            self.assert_done_once(hive)
            hive.stop()

    def test_workers_are_killed_meanwhile(self):
        with Broker(self.nng_worker(), workers=3, options=MANY_DEATHS) as hive:
            hive.wait_ready(3)
            with self.client(hive) as client:
                self.kill_each_part(hive, JOBS, 6)
                self.assert_all_came_once(client)
            self.assert_done_once(hive, killed=True)
            hive.wait_ready(3)
            hive.stop()

    def test_workers_are_replaced_meanwhile(self):
        """Those that leave give back what they have not begun: nothing is done twice."""
        with Broker(self.nng_worker(), workers=2) as hive:
            hive.wait_ready(2)
            with self.client(hive) as client:
                wait_until(lambda: queue_status(hive, QUEUE)["done"] > 0, "the first results")
                reload = hive.skep("reload", deadline_s=DEADLINE_JOBS_S)
                self.assertEqual(reload.code, 0, reload.describe())
                self.assert_all_came_once(client)
            self.assert_done_once(hive)
            hive.stop()
            self.assert_left(hive, 4)

    def test_messages(self):
        with Broker(self.nng_worker(), workers=2) as hive:
            hive.wait_ready(2)
            data = "x" * 100000
            self.assertEqual(hive.skep("call", "1", "echo", data, "--raw").output("out"), data)
            self.assertEqual(hive.skep("call", "1", "ask", "2", "--raw").output("out"), "2")
            self.assertIn("no handler for that", hive.skep("call", "1", "juggle").output("err"))
            with self.client(hive, 1000) as client:
                self.assert_all_came_once(client, 1000)

            def counted():
                return sum(int(hive.skep("call", str(worker), "requests", "--raw").output("out"))
                           for worker in (1, 2))
            wait_until(lambda: counted() == 1000, "requestCount of both", context=hive.describe)
            hive.stop()

    def test_a_worker_that_leaves_of_its_own_accord(self):
        with Broker(self.nng_worker(), workers=1) as hive:
            hive.wait_ready(1)
            self.assertEqual(hive.skep("call", "1", "leave", "--raw").code, 0)
            hive.wait_line(r"worker 1 pid \d+: exited with status 0 \(voluntary\)")
            hive.stop()


class Neighbours(Peers):
    """Workers of NNG's sockets and of libskep under one broker."""

    def check(self, over_nng):
        worker = self.one_of_each(self.nng_worker(), self.skep_worker(over_nng))
        with Broker(worker, workers=2) as hive:
            hive.wait_ready(2)
            if over_nng:
                self.assertTrue(self.nng.is_loaded_by(hive.pids()[2]))
            with self.client(hive) as client:
                self.assert_all_came_once(client)
            self.assert_done_once(hive)
            self.assert_each_took_part(hive)
            self.assertEqual(hive.skep("call", "1", "ask", "2", "--raw").output("out"), "2")
            self.assertEqual(hive.skep("call", "1", "shout", "hear", "--raw").code, 0)
            hive.wait_status(lambda status: status["counters"].get("shouts") == 1, "the other to hear it")
            hive.stop()
            self.assert_left(hive, 2)

    def test_beside_libskep(self):
        self.check(over_nng=False)

    def test_beside_libskep_over_nng(self):
        self.check(over_nng=True)


class NngBroker(Peers):
    """A broker of NNG's sockets, with workers and clients of libskep over its own."""

    def test_every_outcome_comes_once(self):
        with Broker(self.skep_worker(), nng=self.nng, workers=2) as hive:
            hive.wait_ready(2)
            self.assertTrue(self.nng.is_loaded_by(hive.pid))
            with self.client(hive) as client:
                self.assert_all_came_once(client)
            self.assert_done_once(hive)
            self.assert_each_took_part(hive)
            hive.stop()
            self.assert_left(hive, 2)

    def test_client_of_libskep(self):
        jobs = [f"{number} {'x' * (number * 37 % 3000)}" for number in range(5000)]
        lines = self.folder / "lines"
        lines.write_text("\n".join(jobs) + "\n")
        with Broker(self.skep_worker(), nng=self.nng, workers=2) as hive:
            hive.wait_ready(2)
            done = hive.skep("submit", QUEUE, "--lines", str(lines), "--wait", deadline_s=DEADLINE_JOBS_S)
            self.assertEqual(done.code, 0, done.output("err"))
            self.assertEqual(sorted(done.output("out").splitlines()), sorted(jobs))
            self.assert_done_once(hive, len(jobs))
            self.assertEqual(hive.skep("call", "2", "echo", "hello", "--raw").output("out"), "hello")
            hive.stop()

    def test_workers_are_killed_meanwhile(self):
        with Broker(self.skep_worker(), nng=self.nng, workers=3, options=MANY_DEATHS) as hive:
            hive.wait_ready(3)
            with self.client(hive) as client:
                self.kill_each_part(hive, JOBS, 6)
                self.assert_all_came_once(client)
            status = wait_queue(hive, QUEUE, lambda queue: queue["done"] == JOBS, "all done")
            self.assertEqual((status["dead"], status["refused"]), (0, 0))
            hive.wait_ready(3)
            hive.stop()


def load_tests(loader, *_):
    return for_each_nng(loader, Strangers, Neighbours, NngBroker)


if __name__ == "__main__":
    unittest.main()
