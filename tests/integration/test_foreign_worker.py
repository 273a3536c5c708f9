# SPDX-License-Identifier: MIT
"""A worker in another language, from docs/protocol.md alone, joins a real broker, serves, counts, talks, leaves."""
import json
import os
import signal
import sys
import unittest
from pathlib import Path

from hive import Connection, Hive, get, is_alive, wait_until

CLIENTS = Path(__file__).resolve().parent.parent / "clients"
sys.path.insert(0, str(CLIENTS))
import wire  # noqa: E402

PYTHON = "/usr/bin/python3"
URL = "tcp://127.0.0.1:0"
ENOWORKER = 18


def foreign(*args, **options):
    return Hive(PYTHON, "-B", CLIENTS / "worker.py", "--listen", URL, *args, **options)


def state(connection):
    return json.loads(connection.request("/state").text)


def gathered(connection, what, count):
    """What the worker of a connection has seen of a kind, once there is so much of it."""
    def look():
        seen = state(connection)[what]
        return seen if len(seen) >= count else None
    return wait_until(look, f"{count} {what}", context=lambda: str(state(connection)))


def totals_are(**wanted):
    return lambda status: all(status["totals"][name] == value for name, value in wanted.items())


def follow(hive):
    """The hive's events, once none can be missed any more."""
    events = hive.events()
    events.wait_line(r"from number \d+")
    return events


def connect_to(hive, worker):
    """A connection that a certain worker has taken: round robin comes to it in the end."""
    url = hive.url
    for _ in range(50):
        connection = Connection(url)
        if state(connection)["id"] == worker:
            return connection
        connection.sock.close()
    raise AssertionError(f"worker {worker} took none of 50 connections\n{hive.describe()}")


class Serving(unittest.TestCase):
    def test_answers_on_every_worker_in_rotation(self):
        with foreign() as hive:
            hive.wait_ready(2)
            texts = [response.text for response in hive.requests(40)]
            self.assertEqual({text.split(",")[0] for text in texts},
                             {"Hello from Python worker 1", "Hello from Python worker 2"})
            status = hive.wait_status(totals_are(requests=40, accepted=40, connections=0), "40 requests, all finished")
            for worker in status["workers"]:  # one that is late is passed over and catches up, if enough follows
                self.assertAlmostEqual(worker["accepted"], 20, delta=2)
            self.assertEqual(sum(worker["requests"] for worker in status["workers"]), 40)
            hive.stop()

    def test_connections_are_live_until_they_end(self):
        with foreign() as hive:
            hive.wait_ready(2)
            with Connection(hive.url) as connection:
                for _ in range(10):
                    self.assertEqual(connection.request().status, 200)
                hive.wait_status(totals_are(requests=10, accepted=1, connections=1), "one live connection")
            hive.wait_status(totals_are(requests=10, accepted=1, connections=0), "its end")
            hive.stop()

    def test_request_count_comes_back(self):
        with foreign(workers=1, interval_s=0.1) as hive:
            hive.wait_ready(1)
            with Connection(hive.url) as connection:
                connection.request()
                wait_until(lambda: (state(connection)["requestCount"] or 0) > 3, "requestCount on the inbox")
            hive.stop()

    def test_unix_and_named_listeners(self):
        with Hive(PYTHON, "-B", CLIENTS / "worker.py", "--listen", "web", listen=["web=tcp://127.0.0.1:0"]) as hive:
            status = hive.wait_ready(2)
            self.assertEqual(status["listeners"][0]["name"], "web")
            self.assertIn("Hello from Python", hive.get().text)
            hive.stop()

    def test_bad_url_is_answered(self):
        with Hive(PYTHON, "-B", CLIENTS / "worker.py", "--listen", "nobody-named-this", workers=1) as hive:
            hive.wait_line(r"OSError: .*nobody-named-this.*status \d+")

    def test_unlisten_by_the_last_worker_closes_the_listener(self):
        with foreign(workers=1) as hive:
            hive.wait_ready(1)
            url = hive.url
            self.assertEqual(get(url, "/unlisten").status, 200)
            hive.wait_status(lambda status: status["listeners"] == [], "no listener")
            with self.assertRaises(OSError):
                get(url)
            hive.stop()


class OtherPolicies(unittest.TestCase):
    def check(self, policy):
        with foreign(policy=policy) as hive:
            hive.wait_ready(2)
            for response in hive.requests(20):
                self.assertIn("Hello from Python worker", response.text)
            status = hive.wait_status(totals_are(requests=20, accepted=20, connections=0), "20 accepted by the workers")
            self.assertEqual(sum(worker["accepted"] for worker in status["workers"]), 20)
            hive.stop()

    def test_shared(self):
        self.check("shared")

    def test_reuseport(self):
        self.check("reuseport")

    def test_least_connections(self):
        self.check("least-connections")

    def test_sticky(self):
        self.check("sticky")


class Talking(unittest.TestCase):
    def test_workers_ask_each_other(self):
        with foreign("--name", "parrot") as hive:
            hive.wait_ready(2)
            with connect_to(hive, 1) as connection:
                for whom in ("2", "1", "@parrot"):
                    answer = json.loads(connection.request(f"/ask/{whom}").text)
                    self.assertEqual(answer, {"status": 0, "data": "from Python"})
            hive.stop()

    def test_who_is_not_there_is_reported(self):
        with foreign(workers=1) as hive:
            hive.wait_ready(1)
            with Connection(hive.url) as connection:
                for whom in ("99", "@nobody"):
                    self.assertEqual(json.loads(connection.request(f"/ask/{whom}").text)["status"], ENOWORKER)
                connection.request("/tell/99")
                connection.request("/tell/@nobody")
                seen = gathered(connection, "undelivered", 2)
                self.assertEqual(seen, [{"to": 99, "status": ENOWORKER}, {"to": "nobody", "status": ENOWORKER}])
            hive.stop()

    def test_broadcasts_reach_all(self):
        with foreign() as hive:
            hive.wait_ready(2)
            with connect_to(hive, 1) as one, connect_to(hive, 2) as two:
                names = [f"news-{i}" for i in range(20)]
                for name in names:
                    one.request(f"/broadcast/{name}")
                for connection in (one, two):
                    seen = gathered(connection, "broadcasts", 20)
                    self.assertEqual(seen, [{"from": 1, "name": name} for name in names])
            hive.stop()


class Leaving(unittest.TestCase):
    def test_drain_ends_with_status_0(self):
        with foreign() as hive:
            hive.wait_ready(2)
            with Connection(hive.url) as idle:
                idle.request()
                hive.stop()
                self.assertTrue(idle.closed_by_peer())
            self.assertEqual(hive.count(r"worker \d+ .*\(voluntary\)"), 2, hive.describe())

    def test_disconnect_is_voluntary(self):
        with foreign() as hive:
            hive.wait_ready(2)
            events = follow(hive)
            wait_until(lambda: hive.get("/disconnect").status == 200, "an answer")
            left = events.wait_event("exit")
            self.assertEqual((left["code"], left["signal"], left["reason"]), (0, None, "voluntary"))
            self.assertIn("Hello from Python", hive.get().text)
            hive.stop()

    def test_killed_worker_loses_no_connection(self):
        """Connections handed to a worker that never takes them go to the other when it is killed."""
        with foreign() as hive:
            hive.wait_ready(2)
            url, pids = hive.url, hive.pids()
            os.kill(pids[1], signal.SIGSTOP)
            connections = [Connection(url) for _ in range(10)]
            for connection in connections:
                connection.send()
            hive.wait_status(lambda status: status["totals"]["accepted"] == 10, "10 accepted")
            hive.kill9(pids[1])
            texts = [connection.response().text for connection in connections]
            for connection in connections:
                connection.sock.close()
            self.assertNotIn(f"pid {pids[1]}", "".join(texts))
            status = hive.wait_ready(2)
            self.assertGreater(status["totals"]["redispatched"], 0)
            self.assertEqual(status["totals"]["restarts"], 1)
            self.assertNotIn(pids[1], [worker["pid"] for worker in status["workers"]])
            hive.stop()

    def test_a_link_that_ends_unread_loses_no_connection(self):
        """It is seen at once, though the process lives on."""
        with foreign() as hive:
            hive.wait_ready(2)
            events, url, pids = follow(hive), hive.url, hive.pids()
            with connect_to(hive, 1) as connection:
                connection.request("/vanish")
            connections = [Connection(url) for _ in range(4)]
            for connection in connections:
                connection.send()
            texts = [connection.response().text for connection in connections]
            self.assertEqual({text.split(",")[0] for text in texts}, {"Hello from Python worker 2"})
            for connection in connections:
                connection.sock.close()
            self.assertEqual(events.wait_event("disconnect")["worker"]["id"], 1)
            self.assertTrue(is_alive(pids[1]))
            self.assertGreater(hive.status()["totals"]["redispatched"], 0)
            hive.kill9(pids[1])
            hive.wait_ready(2)
            hive.stop()

    def test_no_worker_outlives_the_broker(self):
        with foreign() as hive:
            hive.wait_ready(2)
            pids = hive.pids().values()
            os.kill(hive.status()["pid"], signal.SIGKILL)
            for pid in pids:
                wait_until(lambda: not is_alive(pid), f"worker {pid} to be gone", 2)


class Control(unittest.TestCase):
    """The control socket and the news, from another language."""

    def asker(self, hive):
        asker = wire.Asker(wire.control_url(hive.folder))
        self.addCleanup(asker.close)
        return asker

    def test_status(self):
        with foreign() as hive:
            hive.wait_ready(2)
            hive.requests(6)
            asker = self.asker(hive)
            wait_until(lambda: asker.ask("status")[0]["requests"] == 6, "6 requests")
            answer = asker.ask("status")
            self.assertEqual([command["cmd"] for command in answer],
                             ["brokerStatus", "groupStatus", "listenerStatus", "workerStatus", "workerStatus"])
            self.assertEqual(answer[0]["pid"], hive.pid)
            self.assertEqual(sum(command["accepted"] for command in answer[3:]), 6)
            hive.stop()

    def test_news_are_numbered_and_can_be_had_again(self):
        with foreign(interval_s=0.1) as hive:
            hive.wait_ready(2)
            asker = self.asker(hive)
            news = wire.Pipe(asker.ask("status")[0]["news"], wire.SUB)
            self.addCleanup(news.close)
            live = [command for _ in range(3) for command in wire.unpack(news.receive())]
            seqs = [command["seq"] for command in live]
            self.assertEqual(seqs, list(range(seqs[0], seqs[0] + len(seqs))))
            *again, end = asker.ask("newsSince", seq=0)
            self.assertEqual(end["cmd"], "newsEnd")
            self.assertEqual([command["seq"] for command in again], list(range(1, end["seq"] + 1)))
            self.assertEqual(again[seqs[0] - 1:seqs[-1]], live)
            future = asker.ask("newsSince", seq=end["seq"] + 1000)
            self.assertEqual([command["cmd"] for command in future], ["newsEnd"])
            hive.stop()

    def test_stop(self):
        with foreign() as hive:
            hive.wait_ready(2)
            asker = self.asker(hive)
            self.assertEqual([command["cmd"] for command in asker.ask("stop")], ["done"])
            self.assertEqual(hive.wait_exit(), 0)


if __name__ == "__main__":
    unittest.main()
