#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Listeners and queues that are paused: nothing is accepted or handed out until they are resumed, nothing is lost."""
import os
import signal
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

from faults import TCP, Client, actors, actor_path, answers, crowd, disperse, kernel_queue, port_of, replaced, resting
from hive import Connection, Hive, wait_until
from jobs import ENOQUEUE, Submitter, ask, dead_letters, queue_status, wait_queue, workers

POLICIES = ("round-robin", "least-connections", "sticky", "shared", "reuseport")
CLIENT = Path(__file__).resolve().parent.parent / "clients" / "worker.py"
ENOLISTENER = 29
WAITING = 12


def does(hive, cmd, **what):
    """Asks for a pause or a resume, which must be granted."""
    answer, = ask(hive, cmd, **what)
    if answer["cmd"] != "done":
        raise AssertionError(f"{cmd} {what}: {answer}\n{hive.describe()}")


def events(hive):
    """The pauses and resumes that were told, as (event, url or queue)."""
    items = ask(hive, "newsSince", seq=0)
    return [(item["event"], item.get("url", item.get("queue"))) for item in items
            if item.get("event") in ("pause", "resume")]


def listeners(hive):
    return {item["url"]: item for item in ask(hive, "status") if item["cmd"] == "listenerStatus"}


def visit_all(url, count):
    """A client that stays for each of so many workers."""
    visitors = {}

    def visit():
        client = Client(url)
        if visitors.setdefault(client.worker(), client) is not client:
            client.close()
        return len(visitors) == count
    wait_until(visit, f"a client of each of {count} workers")
    return list(visitors.values())


def turn(visitors):
    """Workers read what came on their links before what a client says now, or in the same turn of their loop."""
    for client in visitors:
        client.ask()
        client.ask()


class Listener(unittest.TestCase):
    def check_rests(self, hive, url, clients):
        """All of them wait in the kernel's queue, and the broker says so."""
        self.assertEqual(kernel_queue(port_of(url)), len(clients))
        self.assertEqual(resting(answers(clients, 0)), list(range(len(clients))))
        told = listeners(hive)[url]
        self.assertEqual((told["resting"], told["paused"], told["queued"]), (True, True, 0))

    def check_serves(self, hive, url, clients):
        self.assertEqual(resting(answers(clients)), [])
        self.assertNotIn("resting", listeners(hive)[url])
        wait_until(lambda: kernel_queue(port_of(url)) == 0, "the kernel's queue to be empty")

    def test_each_policy(self):
        for policy in POLICIES:
            with self.subTest(policy=policy), actors(TCP, workers=3, policy=policy) as hive:
                hive.wait_ready(3)
                url = hive.url
                visitors = [Client(url)] if policy == "sticky" else visit_all(url, 3)
                for _ in range(2):
                    does(hive, "pause", listener=url)
                    does(hive, "pause", listener=url)  # it is already: no second event
                    turn(visitors)
                    clients = crowd(url, WAITING)
                    turn(visitors)  # those that are there go on
                    self.check_rests(hive, url, clients)
                    does(hive, "resume", listener=url)
                    does(hive, "resume", listener=url)
                    self.check_serves(hive, url, clients)
                    disperse(clients)
                self.assertEqual(events(hive), [("pause", url), ("resume", url)] * 2)
                disperse(visitors)
                hive.stop()

    def test_it_outlives_its_workers(self):
        for policy in POLICIES:
            with self.subTest(policy=policy), actors(TCP, workers=2, policy=policy) as hive:
                pids = hive.wait_ready(2) and hive.pids()
                url = hive.url
                visitors = [Client(url)] if policy == "sticky" else visit_all(url, 2)
                does(hive, "pause", listener=url)
                turn(visitors)
                clients = crowd(url, WAITING)
                for pid in pids.values():
                    os.kill(pid, signal.SIGKILL)
                replaced(hive, 2, 2)
                self.check_rests(hive, url, clients)
                does(hive, "resume", listener=url)
                self.check_serves(hive, url, clients)
                disperse([*clients, *visitors])
                hive.stop()

    def test_one_that_leaves_takes_nothing_along(self):
        for policy in ("shared", "reuseport"):
            with self.subTest(policy=policy), actors(TCP, workers=2, policy=policy) as hive:
                hive.wait_ready(2)
                url = hive.url
                visitors = visit_all(url, 2)
                does(hive, "pause", listener=url)
                turn(visitors)
                clients = crowd(url, WAITING)
                self.assertEqual(visitors[0].ask("leave"), "ok")
                visitors[0].close()
                wait_until(lambda: len(hive.pids()) == 1, "the worker to leave", context=hive.describe)
                self.check_rests(hive, url, clients)
                does(hive, "resume", listener=url)
                self.check_serves(hive, url, clients)
                disperse([*clients, visitors[1]])
                hive.stop()

    def test_it_waits_for_a_worker_when_the_last_has_given_it_back(self):
        asked = "tcp://127.0.0.2:0"
        for policy in POLICIES:
            with self.subTest(policy=policy), actors(TCP, asked, workers=1, policy=policy) as hive:
                hive.wait_ready(1)
                control, url = sorted(listeners(hive))
                with Client(control) as client:
                    client.ask()
                    does(hive, "pause", listener=url)
                    self.assertEqual(client.ask(f"close {url}"), "ok")
                    hive.wait_status(lambda status: len(status["listeners"]) == 2, "both listeners")
                    clients = crowd(url, WAITING)
                    self.assertEqual(client.ask(f"listen {asked}"), f"ok {url}")
                    self.check_rests(hive, url, clients)
                    does(hive, "resume", listener=url)
                    self.check_serves(hive, url, clients)
                disperse(clients)
                hive.stop()

    def test_a_stop_ends_the_pause(self):
        for policy in POLICIES:
            with self.subTest(policy=policy), actors(TCP, workers=2, policy=policy) as hive:
                hive.wait_ready(2)
                url = hive.url
                visitors = [Client(url)] if policy == "sticky" else visit_all(url, 2)
                does(hive, "pause", listener=url)
                turn(visitors)
                clients = crowd(url, WAITING)
                os.kill(hive.pid, signal.SIGTERM)
                heard = answers(clients)
                self.assertEqual([type(what) for what in heard], [str] * WAITING, heard)
                disperse([*clients, *visitors])
                self.assertEqual(hive.wait_exit(), 0, hive.describe())

    def test_names_and_urls(self):
        with TemporaryDirectory(prefix="skep-", dir="/tmp") as folder:
            path = f"unix://{folder}/socket"
            with Hive(actor_path(), "web", path, listen=[f"web={TCP}"]) as hive:
                hive.wait_ready(2)
                web = next(url for url in listeners(hive) if url != path)
                for name, url in (("web", web), (web, web), (TCP, web), (path, path)):
                    does(hive, "pause", listener=name)
                    self.assertEqual([bound for bound, told in listeners(hive).items() if "resting" in told], [url])
                    does(hive, "resume", listener=name)
                    self.assertEqual([told for told in listeners(hive).values() if "resting" in told], [])
                for name in ("nobody", "we", "tcp://127.0.0.1:1", "tcp://127.0.0.1"):
                    for cmd in ("pause", "resume"):
                        answer, = ask(hive, cmd, listener=name)
                        self.assertEqual((answer["cmd"], answer["status"]), ("failed", ENOLISTENER), name)
                hive.stop()

    def test_a_worker_in_another_language(self):
        for policy in ("shared", "reuseport"):
            with self.subTest(policy=policy), Hive("/usr/bin/python3", "-B", CLIENT, "--listen", TCP, workers=1,
                                                   policy=policy) as hive:
                hive.wait_ready(1)
                url = hive.url
                with Connection(url) as visitor, Connection(url) as waiting:
                    visitor.request()
                    waiting.request()
                    does(hive, "pause", listener=url)
                    for _ in range(2):
                        visitor.request()
                    clients = [Connection(url) for _ in range(3)]
                    for client in clients:
                        client.send()
                    visitor.request()
                    self.assertEqual(kernel_queue(port_of(url)), 3)
                    does(hive, "resume", listener=url)
                    for client in clients:
                        self.assertIn("Python worker 1", client.response().text)
                        client.sock.close()
                hive.stop()


def submitting(hive, workers):
    hive.wait_ready(workers)
    return Submitter(hive.folder)


class Queue(unittest.TestCase):
    def test_nothing_is_handed_out_and_nothing_is_lost(self):
        with workers("q", count=2) as hive, submitting(hive, 2) as submitter:
            for _ in range(2):
                does(hive, "pause", queue="q")
            submitter.submit("q", 500)
            submitter.submit("q", 20, delay_ms=50)
            dying = submitter.submit("q", 3, ttl_ms=50)
            submitter.wait_answers()
            self.assertEqual((len(submitter.accepted), submitter.declined), (523, {}))
            submitter.wait(lambda: len(submitter.deaths) == 3, "the time of three to end")
            queue = wait_queue(hive, "q", lambda queue: queue["ready"] == 520, "delayed jobs to become ready")
            self.assertEqual((queue["paused"], queue["reserved"], queue["dead"]), (True, 0, 3))
            self.assertEqual(hive.starts(), [])
            does(hive, "resume", queue="q")
            submitter.wait_outcomes()
            self.assertEqual(len(submitter.results), 520)
            self.assertEqual({key: death["cause"] for key, death in submitter.deaths.items()},
                             {key: "expired" for key in dying})
            self.assertEqual(len(dead_letters(hive, "q")), 3)
            self.assertNotIn("paused", queue_status(hive, "q"))
            self.assertEqual(events(hive), [("pause", "q"), ("resume", "q")])
            hive.stop()

    def test_other_queues_go_on(self):
        with workers("q", "r", count=1) as hive, submitting(hive, 1) as submitter:
            does(hive, "pause", queue="q")
            held = submitter.submit("q", 10)
            submitter.submit("r", 100)
            submitter.wait(lambda: len(submitter.results) == 100, "the jobs of the other queue")
            self.assertEqual(set(held) & set(submitter.results), set())
            does(hive, "resume", queue="q")
            submitter.wait_outcomes()
            hive.stop()

    def test_a_queue_that_nobody_has_named(self):
        with workers("q", count=1) as hive:
            hive.wait_ready(1)
            for cmd in ("pause", "resume"):
                answer, = ask(hive, cmd, queue="other")
                self.assertEqual((answer["cmd"], answer["status"]), ("failed", ENOQUEUE))
            self.assertIsNone(queue_status(hive, "other"))
            hive.stop()


if __name__ == "__main__":
    unittest.main()
