#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who gets a connection: each policy's promise, and what happens when nobody can take one."""
import threading
import time
import unittest
from tempfile import TemporaryDirectory

from faults import (PROMPT_S, TCP, Client, Load, actors, answers, ask, by_id, crowd, disperse, is_sanitized,
                    kernel_queue, port_of, replaced, resting, stopped, worker_at, workers_of)
from hive import wait_until


def wait_accepted(hive, count):
    return hive.wait_status(lambda status: status["totals"]["accepted"] >= count, f"{count} connections accepted")


class RoundRobin(unittest.TestCase):
    def check_even(self, hive, count, tolerance=0.01):
        status = wait_accepted(hive, count)
        accepted = by_id(status, "accepted")
        self.assertEqual(status["totals"]["accepted"], count)
        self.assertEqual(sum(accepted.values()), count)
        for worker, number in accepted.items():
            self.assertAlmostEqual(number, count / 4, delta=count / 4 * tolerance, msg=f"worker {worker} of {accepted}")

    def test_a_thousand_one_after_the_other(self):
        with actors(TCP, workers=4) as hive:
            hive.wait_ready(4)
            url = hive.url
            for _ in range(1000):
                ask(url)
            self.check_even(hive, 1000)
            hive.stop()

    def test_a_thousand_of_eight_clients(self):
        with actors(TCP, workers=4) as hive:
            hive.wait_ready(4)
            url = hive.url

            def client():
                for _ in range(125):
                    ask(url)
            clients = [threading.Thread(target=client) for _ in range(8)]
            for each in clients:
                each.start()
            for each in clients:
                each.join()
            # A worker that is held up for longer than the broker lets it catch up on misses turns for good.
            self.check_even(hive, 1000, tolerance=0.4 if is_sanitized() else 0.01)
            hive.stop()

    def test_idle_workers_are_in_strict_rotation(self):
        with actors(TCP, workers=4) as hive:
            hive.wait_ready(4)
            url = hive.url
            first = [worker_at(url) for _ in range(4)]
            self.assertEqual(set(first), {1, 2, 3, 4})
            self.assertEqual([worker_at(url) for _ in range(40)], first * 10)
            hive.stop()

    def test_a_worker_that_does_not_take_gets_nothing_more(self):
        with actors(TCP, workers=4) as hive:
            pids = hive.wait_ready(4) and hive.pids()
            url = hive.url
            with stopped(pids[3]):
                clients = crowd(url, 8)  # its turn comes twice
                status = hive.wait_status(lambda status: sum(by_id(status, "accepted").values()) == 8, "8 hand-offs")
                handed = by_id(status, "accepted")[3]
                stuck = resting(answers(clients, enough=8 - handed))
                self.assertEqual(len(stuck), handed)
                self.assertIn(handed, range(1, 5))  # twice, or more if the others lag, too: a busy machine
                served = [worker_at(url) for _ in range(100)]
                self.assertEqual(set(served), {1, 2, 4})
                for worker in (1, 2, 4):
                    self.assertGreater(served.count(worker), 25)
                self.assertEqual(by_id(hive.status(), "accepted")[3], handed)
            self.assertEqual(workers_of(answers([clients[index] for index in stuck])), [3] * len(stuck))
            wait_until(lambda: worker_at(url) == 3, "worker 3 to get connections again")
            disperse(clients)
            hive.stop()

    def test_under_load_a_stopped_worker_gets_a_handful(self):
        with actors(TCP, workers=4) as hive:
            pids = hive.wait_ready(4) and hive.pids()
            with Load(hive.url, clients=8) as load:
                load.wait_done(100)
                with stopped(pids[2]):
                    before = by_id(hive.status(), "accepted")
                    load.wait_done(1000)
                    after = by_id(hive.status(), "accepted")
                    self.assertLess(after[2] - before[2], 4, (before, after))
                    for worker in (1, 3, 4):
                        self.assertGreater(after[worker] - before[worker], 200, (before, after))
            self.assertEqual(load.failed, [])
            hive.stop()

    def test_a_worker_that_hangs_gets_nothing_more_even_when_all_are_behind(self):
        with actors(TCP, workers=2) as hive:
            pids = hive.wait_ready(2) and hive.pids()
            url = hive.url
            with stopped(pids[1]):
                clients = crowd(url, 4)
                since_s = time.monotonic()
                status = hive.wait_status(lambda status: sum(by_id(status, "accepted").values()) == 4, "4 hand-offs")
                stuck = by_id(status, "accepted")[1]
                self.assertIn(stuck, range(1, 5))
                # Only then is it further behind than any that merely waits for a processor.
                wait_until(lambda: time.monotonic() - since_s > 0.5 and worker_at(url) == 2, "the others to be served")
                with Client(url) as busy:
                    self.assertEqual(busy.ask("spin 100").split()[0], "2")
                    more = crowd(url, 20)  # now the other one is behind, too
                    self.assertEqual(workers_of(answers(more)), [2] * 20)
                self.assertEqual(by_id(hive.status(), "accepted")[1], stuck)
            self.assertEqual(sorted(workers_of(answers(clients))), [1] * stuck + [2] * (4 - stuck))
            disperse([*clients, *more])
            hive.stop()

    def test_a_worker_busy_with_its_own_work_gets_nothing_more(self):
        with actors(TCP, workers=3) as hive:
            hive.wait_ready(3)
            url = hive.url
            with Client(url) as busy:
                worker = int(busy.ask(f"spin {PROMPT_S * 1000}").split()[0])
                busy.say("id")
                clients = crowd(url, 30)
                heard = answers([busy, *clients], enough=1 + len(clients))
                # What it got is answered when it has finished; the others did not wait for it.
                self.assertEqual(len(workers_of(heard)), 31)
                self.assertLessEqual(workers_of(heard[1:]).count(worker), 30 / 3)
                disperse(clients)
            hive.stop()


class LeastConnections(unittest.TestCase):
    def wait_live(self, hive, wanted):
        hive.wait_status(lambda status: by_id(status, "connections") == wanted, f"live connections {wanted}")

    def test_long_lived_connections_level_out(self):
        with actors(TCP, workers=3, policy="least-connections") as hive:
            hive.wait_ready(3)
            url = hive.url
            held = {1: [], 2: [], 3: []}
            for _ in range(9):
                client = Client(url)
                held[client.worker()].append(client)
            self.assertEqual({worker: len(clients) for worker, clients in held.items()}, {1: 3, 2: 3, 3: 3})
            disperse(held[2])
            self.wait_live(hive, {1: 3, 2: 0, 3: 3})
            newer = [Client(url) for _ in range(3)]
            self.assertEqual([client.worker() for client in newer], [2, 2, 2])
            self.wait_live(hive, {1: 3, 2: 3, 3: 3})
            self.assertEqual(hive.status()["totals"]["connections"], 9)
            disperse([*newer, *held[1], *held[3]])
            self.wait_live(hive, {1: 0, 2: 0, 3: 0})
            hive.stop()

    def test_idle_workers_take_turns(self):
        with actors(TCP, workers=3, policy="least-connections") as hive:
            hive.wait_ready(3)
            url = hive.url
            clients = [Client(url) for _ in range(3)]
            self.assertEqual({client.worker() for client in clients}, {1, 2, 3})
            disperse(clients)
            hive.stop()


class Sticky(unittest.TestCase):
    SOURCES = [f"127.0.0.{last}" for last in range(2, 41)]

    def places(self, hive, url):
        """The place of each client: the slot of the worker that it reaches."""
        slots = by_id(hive.status(), "slot")
        return {source: slots[worker_at(url, source)] for source in self.SOURCES}

    def test_the_same_client_reaches_the_same_place(self):
        with actors(TCP, workers=3, policy="sticky") as hive:
            pids = hive.wait_ready(3) and hive.pids()
            url = hive.url
            places = self.places(hive, url)
            self.assertEqual(set(places.values()), {0, 1, 2})
            for place in range(3):
                self.assertGreaterEqual(list(places.values()).count(place), 4, places)
            self.assertEqual(self.places(hive, url), places)
            hive.kill9(pids[2])
            status = replaced(hive, 1, 3)
            self.assertEqual(by_id(status, "slot"), {1: 0, 3: 2, 4: 1})
            self.assertEqual(self.places(hive, url), places)
            hive.stop()

    def test_clients_of_a_place_that_is_empty_are_served_by_others(self):
        with actors(TCP, workers=2, policy="sticky") as hive:
            pids = hive.wait_ready(2) and hive.pids()
            url = hive.url
            places = self.places(hive, url)
            source = next(source for source, place in places.items() if place == 1)
            self.assertEqual(ask(url, "leave", source), "ok")  # of its own accord: it is not replaced
            wait_until(lambda: len(hive.pids()) == 1, "worker 2 to leave", context=hive.describe)
            self.assertEqual({worker_at(url, each) for each in self.SOURCES}, {1})
            self.assertEqual(list(hive.pids().values()), [pids[1]])
            hive.stop()

    def test_clients_of_a_unix_path_have_no_address_and_take_turns(self):
        with TemporaryDirectory(dir="/tmp") as folder:
            url = f"unix://{folder}/socket"
            with actors(url, workers=3, policy="sticky") as hive:
                hive.wait_ready(3)
                self.assertEqual({worker_at(url) for _ in range(3)}, {1, 2, 3})
                hive.stop()


class Accepting(unittest.TestCase):
    """Policies with which workers accept for themselves."""

    def check_counts(self, hive, count):
        status = wait_accepted(hive, count)
        self.assertEqual(sum(by_id(status, "accepted").values()), count)
        self.assertEqual(status["totals"]["accepted"], count)
        hive.wait_status(lambda status: status["totals"]["connections"] == 0, "no live connection")

    def wait_queued(self, url, clients):
        """Those of the clients that wait in the kernel's queue, once all the others have been answered."""
        waiting = clients

        def settled():
            nonlocal waiting
            heard = answers(waiting, 0)
            self.assertNotIn(2, workers_of(heard))
            waiting = [waiting[index] for index in resting(heard)]
            return kernel_queue(port_of(url)) == len(waiting)
        wait_until(settled, "all clients to be answered or in the kernel's queue", context=lambda: str(len(waiting)))
        self.assertGreater(len(waiting), 0)
        return waiting

    def test_shared_each_serves(self):
        with actors(TCP, workers=3, policy="shared") as hive:
            pids = hive.wait_ready(3) and hive.pids()
            url = hive.url
            for worker in pids:
                with stopped(*(pid for other, pid in pids.items() if other != worker)):
                    self.assertEqual([worker_at(url) for _ in range(5)], [worker] * 5)
            self.check_counts(hive, 15)
            hive.stop()

    def test_shared_a_killed_worker_takes_no_queue_with_it(self):
        with actors(TCP, workers=3, policy="shared") as hive:
            pids = hive.wait_ready(3) and hive.pids()
            url = hive.url
            with stopped(*pids.values()):
                clients = crowd(url, 40)
                self.assertEqual(len(self.wait_queued(url, clients)), 40)
                hive.kill9(pids[2])
            self.assertEqual(resting(answers(clients)), [])
            disperse(clients)
            hive.stop()

    def test_reuseport_all_serve(self):
        with actors(TCP, workers=3, policy="reuseport") as hive:
            hive.wait_ready(3)
            url = hive.url
            served = [worker_at(url) for _ in range(150)]
            for worker in (1, 2, 3):
                self.assertGreater(served.count(worker), 15, served)
            self.check_counts(hive, 150)
            hive.stop()

    def test_reuseport_a_killed_workers_queue_is_answered_by_others(self):
        with actors(TCP, workers=4, policy="reuseport") as hive:
            pids = hive.wait_ready(4) and hive.pids()
            url = hive.url
            with stopped(pids[2]):
                clients = crowd(url, 60)
                hive.kill9(pids[2])  # before the broker takes what waits there longer
                heard = answers(clients, PROMPT_S)
            self.assertEqual(len(workers_of(heard)), len(clients), heard)
            disperse(clients)
            replaced(hive, 1, 4)
            served = [worker_at(url) for _ in range(150)]
            self.assertEqual(set(served), {1, 3, 4, 5})
            hive.stop()

    def test_reuseport_a_leaving_workers_queue_is_answered_by_others(self):
        with actors(TCP, workers=3, policy="reuseport") as hive:
            hive.wait_ready(3)
            url = hive.url
            held = Client(url)
            leaver = held.worker()
            self.assertEqual(held.ask("leave"), "ok")  # this connection is live: the worker stays
            hive.wait_line(rf"worker {leaver} pid \d+: draining")
            self.assertNotIn(leaver, {worker_at(url) for _ in range(60)})
            held.close()
            wait_until(lambda: leaver not in hive.pids(), f"worker {leaver} to leave")
            hive.stop()


class Credit(unittest.TestCase):
    def test_nothing_is_accepted_that_nobody_can_take(self):
        for policy in ("round-robin", "least-connections", "sticky"):
            with self.subTest(policy=policy), actors(TCP, workers=2, policy=policy, options=["--credit", 4]) as hive:
                pids = hive.wait_ready(2) and hive.pids()
                url = hive.url
                least = 4 if policy == "sticky" else 5  # the one that was stopped first counts as hanging after its first
                with stopped(*pids.values()):
                    clients = crowd(url, 50)
                    status = hive.wait_status(lambda status: status["listeners"][0]["paused"], "a pause")
                    self.assertEqual(status["listeners"][0]["queued"], status["listeners"][0]["accepted"])
                    self.assertLessEqual(least, status["listeners"][0]["accepted"])
                    self.assertLessEqual(status["listeners"][0]["accepted"], 8)
                    self.assertLessEqual(max(by_id(status, "accepted").values()), 4)
                    self.assertEqual(kernel_queue(port_of(url)), 50 - status["listeners"][0]["accepted"])
                    self.assertEqual(resting(answers(clients, 0)), list(range(50)))
                self.assertEqual(len(workers_of(answers(clients))), 50)
                disperse(clients)
                status = hive.wait_status(lambda status: status["totals"]["connections"] == 0, "no live connection")
                self.assertEqual((status["listeners"][0]["paused"], status["listeners"][0]["queued"]), (False, 0))
                hive.stop()

    def test_one_that_can_take_ends_the_pause(self):
        with actors(TCP, workers=2, options=["--credit", 2]) as hive:
            pids = hive.wait_ready(2) and hive.pids()
            url = hive.url
            with stopped(pids[1]):
                with stopped(pids[2]):
                    clients = crowd(url, 20)
                    hive.wait_status(lambda status: status["listeners"][0]["paused"], "a pause")
                heard = answers(clients, enough=18)
                self.assertEqual(workers_of(heard), [2] * 18)
            self.assertEqual(workers_of(answers([clients[index] for index in resting(heard)])), [1, 1])
            disperse(clients)
            hive.stop()


class Environment(unittest.TestCase):
    def test_skep_policy_is_the_default_and_an_option_wins(self):
        with actors(TCP, workers=3, env={"SKEP_POLICY": "sticky"}) as hive:
            hive.wait_ready(3)
            url = hive.url
            self.assertEqual(hive.status()["policy"], "sticky")
            self.assertEqual(len({worker_at(url) for _ in range(12)}), 1)
            hive.stop()
        with actors(TCP, workers=3, env={"SKEP_POLICY": "sticky"}, policy="round-robin") as hive:
            hive.wait_ready(3)
            url = hive.url
            self.assertEqual(len({worker_at(url) for _ in range(3)}), 3)
            hive.stop()


if __name__ == "__main__":
    unittest.main()
