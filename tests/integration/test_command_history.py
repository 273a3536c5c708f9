# SPDX-License-Identifier: MIT
"""skep events: what is kept, then what comes, without a gap; filters; the kinds that tell of steering."""
import json
import os
import re
import signal
import unittest

from fake_broker import FakeBroker, broker_status, pack
from hive import Hive, Process, program, run, wait_until
from terminal import Terminal
from wire import PUB

LISTEN = ("--listen", "tcp://127.0.0.1:0")


def item(number, event="ready", **fields):
    return pack("event", **{"seq": number, "time": 1700000000000, "event": event, "worker": number, "pid": 99, **fields})


def objects(process):
    return [json.loads(line) for line in process.output("out").split("\n") if line]


class Scripted(unittest.TestCase):
    """A broker that keeps these items of news, which begin with number 1 unless some are lost."""

    def keep(self, broker, *items, latest, lost=None):
        def since(question):
            kept = [packed for number, packed in items if number > question["seq"]]
            return b"".join(kept) + pack("newsEnd", seq=latest, lost=lost)
        broker.answers["newsSince"] = since
        return broker.listen("news.7", PUB)

    def events(self, broker, *options):
        process = broker.start("events", *options)
        self.addCleanup(process.end)
        return process

    def wait_numbers(self, events, wanted):
        wait_until(lambda: len(objects(events)) >= len(wanted), f"numbers {wanted}", context=events.describe)
        self.assertEqual([event["seq"] for event in objects(events)], wanted)

    def test_history_comes_first_and_nothing_twice(self):
        with FakeBroker() as broker:
            news = self.keep(broker, *((n, item(n)) for n in (1, 2, 3)), latest=3)
            events = self.events(broker, "--json", "--since", "1")
            self.wait_numbers(events, [2, 3])
            self.assertEqual(broker.asked[0], {"cmd": "newsSince", "seq": 1})
            news.send_to_all(item(2) + item(3) + item(4))
            self.wait_numbers(events, [2, 3, 4])
            self.assertRegex(events.output("err"), r"\Askep: events of default in \S+ from number 2 on\Z")

    def test_what_came_while_history_was_asked_for_is_there_once(self):
        with FakeBroker() as broker:
            news = self.keep(broker, (1, item(1)), (2, item(2)), latest=2)
            answer = broker.answers["newsSince"]

            def late(question):
                news.send_to_all(item(2) + item(3))  # after the subscription, before the answer
                return answer(question)
            broker.answers["newsSince"] = late
            events = self.events(broker, "--json", "--since", "0")
            self.wait_numbers(events, [1, 2, 3])

    def test_items_that_are_not_kept_are_counted(self):
        with FakeBroker() as broker:
            self.keep(broker, (6, item(6)), latest=6, lost=5)
            done = broker.skep("events", "--json", "--since", "0", "--once")
            self.assertEqual(done.code, 0, done.describe())
            self.assertEqual([event["seq"] for event in objects(done)], [6])
            self.assertEqual(done.output("err").split("\n")[0], "skep: events: 5 items are no longer kept")

    def test_a_control_socket_that_is_gone_for_a_while(self):
        with FakeBroker() as broker:
            news = self.keep(broker, *((n, item(n)) for n in range(7, 10)), latest=9)
            broker.answers["status"] = lambda _: broker_status()
            events = self.events(broker, "--json")
            events.wait_line("from number 1 on")
            broker.listeners[0].close()
            os.unlink(broker.path("control.7"))
            for number in (3, 6):  # each after a gap that cannot be mended
                news.send_to_all(item(number))
                events.wait_line(f'"seq":{number},')
            broker.listen_for_questions()
            news.send_to_all(item(9))
            self.wait_numbers(events, [3, 6, 7, 8, 9])

    def test_a_number_of_an_earlier_broker_hides_nothing(self):
        with FakeBroker() as broker:
            news = self.keep(broker, (1, item(1)), latest=1)
            events = self.events(broker, "--json", "--since", "900")
            events.wait_line("from number 2 on")
            news.send_to_all(item(2))
            self.wait_numbers(events, [2])

    def test_filters_leave_out_without_losing_the_count(self):
        kept = [(1, item(1, "fork")), (2, item(2, "ready")), (3, item(3, "exit", code=0)), (4, item(2, "exit", code=1)),
                (5, item(5, "later"))]
        with FakeBroker() as broker:
            self.keep(broker, *kept, latest=5)

            def numbers(*options):
                done = broker.skep("events", "--json", "--once", *options)
                self.assertEqual(done.code, 0, done.describe())
                return [(event["event"], event["worker"]["id"]) for event in objects(done)]
            self.assertEqual(numbers("--kind", "exit,ready"), [("ready", 2), ("exit", 3)])
            self.assertEqual(numbers("--worker", "3"), [("exit", 3)])
            self.assertEqual(numbers("--worker", "1", "--kind", "exit"), [])
            self.assertEqual([one["worker"] for one in broker.asked if one["cmd"] == "logs"], [3, 1])
            self.assertEqual(len(numbers()), 4)

    def test_unknown_kinds_are_refused_with_the_list(self):
        for kinds in ("exits", "", "exit,", "message"):
            done = run("skep", "events", "--kind", kinds)
            self.assertEqual(done.code, 64, done.describe())
            self.assertRegex(done.output("err"), r"\Askep: events: --kind .*: expected a list, separated by commas, of "
                                                 r"setup, fork, .*, signal\Z")
        for option in (("--worker", "0"), ("--worker", "x"), ("--since", "-1"), ("--since", "1.5")):
            self.assertEqual(run("skep", "events", *option).code, 64)

    STEERING = (
        (dict(event="scale", step=6, steps=4), "broker: scaled from 4 to 6 workers"),
        (dict(event="reload", phase="begun", step=0, steps=2, reason="replacing 2 workers"),
         "broker: reload begun, 0 of 2: replacing 2 workers"),
        (dict(event="reload", phase="step", step=1, steps=2, worker=7), "worker 7 pid 99: reload, 1 of 2"),
        (dict(event="reload", phase="aborted", step=1, steps=2, reason="worker 9 exited"),
         "broker: reload aborted, 1 of 2: worker 9 exited"),
        (dict(event="breaker", phase="opened", reason="12 quick failures"), "broker: breaker opened: 12 quick failures"),
        (dict(event="pause", url="tcp://x:1", reason="web accepts nothing"), "broker: paused: web accepts nothing"),
        (dict(event="resume", queue="mail"), "broker: resumed: mail"),
        (dict(event="signal", worker=3, reason="SIGUSR1"), "worker 3 pid 99: sent SIGUSR1"),
    )

    def test_steering_is_worded_and_complete_for_programs(self):
        with FakeBroker() as broker:
            items = []
            for number, (fields, _) in enumerate(self.STEERING, 1):
                who = {} if "worker" in fields else {"worker": None, "pid": None}
                items.append((number, item(number, **{**who, **fields})))
            self.keep(broker, *items, latest=len(items))
            lines = broker.skep("events", "--once").output("out").split("\n")
            self.assertEqual([re.sub(r"^\S+Z ", "", line) for line in lines], [text for _, text in self.STEERING])
            for (fields, _), found in zip(self.STEERING, objects(broker.skep("events", "--once", "--json"))):
                for name in ("phase", "step", "steps", "queue", "url", "reason"):
                    self.assertEqual(found.get(name), fields.get(name), (name, found))

    def test_colours_only_on_a_terminal(self):
        with FakeBroker() as broker:
            self.keep(broker, (1, item(1, "error", reason="\x1b[2J")), latest=1)
            for env, colour in (({}, True), ({"NO_COLOR": "1"}, False)):
                with Terminal("skep", "events", "--once", "--dir", broker.folder, env=env) as terminal:
                    self.assertEqual(terminal.end(), 0)
                    self.assertEqual(b"\x1b[1;31m" in terminal.written, colour)
                    self.assertNotIn(b"\x1b[2J", terminal.written)
            self.assertNotIn("\x1b", broker.skep("events", "--once").output("out"))

    def test_json_on_a_terminal_does_not_drive_it(self):
        with FakeBroker() as broker:
            self.keep(broker, (1, item(1, "error", reason="\x9b2J")), latest=1)
            with Terminal("skep", "events", "--once", "--json", "--dir", broker.folder) as terminal:
                self.assertEqual(terminal.end(), 0)
                self.assertNotIn("\x9b".encode(), terminal.written)
            self.assertEqual(objects(broker.skep("events", "--once", "--json"))[0]["reason"], "\x9b2J")

    def test_a_broker_that_vanishes_before_it_answers_is_told(self):
        with FakeBroker() as broker:
            broker.answers["newsSince"] = lambda _: broker.vanish()
            self.assertEqual(broker.skep("events", "--once").code, 69)


class Real(unittest.TestCase):
    def test_all_that_is_kept_and_then_what_comes(self):
        with Hive("hello", *LISTEN, workers=2) as hive:
            hive.wait_ready(2)
            live = Process([program("skep"), "events", "--json", "--dir", hive.folder, "--since", "0"])
            self.addCleanup(live.end)
            live.wait_line(r"from number 1 on", stream="err")
            hive.kill9(hive.pids()[1])
            live.wait_line('"event":"ready","worker":{"id":3,')
            kept = objects(hive.skep("events", "--json", "--once"))
            wait_until(lambda: len(objects(live)) >= len(kept), "all of them", context=live.describe)
            self.assertEqual(objects(live)[:len(kept)], kept)
            self.assertEqual([event["event"] for event in kept if event.get("worker", {}).get("id") == 2],
                             ["fork", "online", "listening", "ready"])
            middle = kept[len(kept) // 2]["seq"]
            later = objects(hive.skep("events", "--json", "--once", "--since", str(middle)))
            self.assertEqual(later, [event for event in kept if event["seq"] > middle])
            hive.stop()
            self.assertEqual(live.wait_exit(), 0)

    def test_a_worker_that_never_was(self):
        with Hive("hello", *LISTEN, workers=1) as hive:
            hive.wait_ready(1)
            for command in (("events", "--worker", "99", "--once"), ("events", "--worker", "99"), ("logs", "99")):
                done = hive.skep(*command)
                self.assertEqual((done.code, done.output()), (68, f"skep: {command[0]}: no worker 99"))
            hive.kill9(hive.pids()[1])
            hive.wait_status(lambda s: [w["id"] for w in s["workers"] if w["state"] == "ready"] == [2], "worker 2")
            self.assertIn("killed by SIGKILL", hive.skep("events", "--worker", "1", "--once").output())
            hive.stop()

    def test_events_of_a_worker_whose_output_is_not_kept(self):
        with Hive("hello", *LISTEN, workers=1, options=["--no-capture"]) as hive:
            hive.wait_ready(1)
            self.assertIn("worker 1 pid ", hive.skep("events", "--worker", "1", "--once").output("out"))
            self.assertEqual(hive.skep("events", "--worker", "2", "--once").code, 68)
            hive.stop()

    def test_a_follower_that_was_stopped_catches_up(self):
        with Hive("hello", *LISTEN, workers=1) as hive:
            hive.wait_ready(1)
            live = Process([program("skep"), "events", "--json", "--dir", hive.folder])
            self.addCleanup(live.end)
            live.wait_line("from number", stream="err")
            os.kill(live.pid, signal.SIGSTOP)
            hive.kill9(hive.pids()[1])
            hive.wait_status(lambda s: [w["id"] for w in s["workers"] if w["state"] == "ready"] == [2], "worker 2")
            os.kill(live.pid, signal.SIGCONT)
            live.wait_line('"event":"ready","worker":{"id":2,')
            numbers = [event["seq"] for event in objects(live)]
            self.assertEqual(numbers, sorted(set(numbers)))
            hive.stop()


if __name__ == "__main__":
    unittest.main()
