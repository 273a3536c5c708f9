#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How workers ended: the records that a broker keeps, and how skep exits shows them."""
import json
import os
import re
import signal
import unittest

import jobs
from faults import TCP, Client, actors, ask
from hive import program, wait_until
from test_logs import STAMP, on_terminal, script, stop_now

WAIT = "exec sleep 600"


def exits_of(hive, *args):
    done = hive.skep("exits", "--json", *args)
    return json.loads(done.output("out"))["exits"] if done.code == 0 else []


def wait_exits(hive, count, *args):
    def look():
        found = exits_of(hive, *args)
        return found if len(found) >= count else None
    return wait_until(look, f"{count} exits", context=hive.describe)


class Records(unittest.TestCase):
    def test_a_status_and_the_last_lines(self):
        text = "seq 1 20; echo to err >&2; head -c 30000000 /dev/zero | sha256sum; printf 'no end'; exit 3"
        with script(text) as hive:
            pid = int(hive.wait_line(r"worker 1 pid (\d+): started").group(1))
            record = wait_exits(hive, 1)[0]
            stop_now(hive)
        self.assertEqual([record[key] for key in ("worker", "pid", "slot", "code", "signal", "reason", "ready")],
                         [1, pid, 0, 3, None, "crashed", False])
        self.assertEqual([record["connections"], record["jobs"]], [0, 0])
        self.assertRegex(record["time"], rf"^{STAMP}$")
        self.assertGreater(record["uptime_s"], 0)
        self.assertGreater(record["user_s"] + record["system_s"], 0)  # its children's, too
        self.assertGreater(record["rss_bytes"], 500000)
        self.assertGreater(record["delay_ms"], 0)
        lines = [line["line"] for line in record["lines"]]
        self.assertEqual(len(lines), 10)
        self.assertRegex(lines[-1], "^(to err|no end)$")
        self.assertIn("20", lines)
        self.assertNotIn("1", lines)

    def test_a_signal_and_what_it_held(self):
        with actors(TCP, workers=1) as hive:
            hive.wait_ready(1)
            ask(hive.url, "print last words")
            held = [Client(hive.url) for _ in range(2)]
            self.assertEqual([client.worker() for client in held], [1, 1])
            hive.wait_status(lambda status: status["workers"][0]["connections"] == 2, "2 live connections")
            hive.kill9(hive.pids()[1])
            record = wait_exits(hive, 1)[0]
            table = hive.skep("exits").output("out").split("\n")
            for client in held:
                client.close()
            hive.wait_ready(1)
            hive.stop()
        self.assertEqual([record[key] for key in ("code", "signal", "reason", "ready", "connections")],
                         [None, "SIGKILL", "crashed", True, 2])
        self.assertIsInstance(record["delay_ms"], int)
        self.assertEqual(record["lines"], [{"line": "last words"}])
        self.assertRegex(table[0], r"^TIME +WORKER +PID +HOW +REASON +AGE +CPU +RSS +HELD +REPLACEMENT$")
        self.assertRegex(table[1], rf"^{STAMP} +1 +{record['pid']} +SIGKILL +crashed +\d+s +\d+\.\d\d s +"
                                   r"\d+\.\d MB +2 connections +in \d+ ms$")
        self.assertEqual(table[2], "    last words")

    def test_jobs_that_it_had(self):
        with jobs.workers("q:4", count=1) as hive:
            hive.wait_ready(1)
            submitter = self.enterContext(jobs.Submitter(hive.folder))
            submitter.submit("q", 3, "never")
            jobs.wait_queue(hive, "q", lambda queue: queue["reserved"] == 3, "3 jobs at the worker")
            os.kill(hive.pids()[1], signal.SIGKILL)
            record = wait_exits(hive, 1)[0]
            hive.skep("stop", "--now")
        self.assertEqual((record["jobs"], record["connections"], record["ready"]), (3, 0, True))

    def test_a_worker_that_was_asked_to_leave(self):
        with actors(TCP, workers=2) as hive:
            hive.wait_ready(2)
            ask(hive.url, "leave")
            record = wait_exits(hive, 1)[0]
            hive.stop()
        self.assertEqual([record[key] for key in ("code", "reason", "delay_ms", "lines")], [0, "voluntary", None, []])

    def test_long_lines_are_few(self):
        with script("for i in 1 2 3 4 5; do head -c 3000 /dev/zero | tr '\\0' $i; echo; done; exit 1") as hive:
            record = wait_exits(hive, 1)[0]
            stop_now(hive)
        self.assertEqual([line["line"] for line in record["lines"]], ["5" * 3000])

    def test_the_latest_and_the_oldest_first(self):
        with script("echo $SKEP_WORKER_ID; exit 1") as hive:
            hive.wait_line(r"worker 3 pid \d+: exited", deadline_s=30)
            everything, latest = exits_of(hive), exits_of(hive, "-n", "2")
            stop_now(hive)
        self.assertEqual([record["worker"] for record in everything], list(range(1, len(everything) + 1)))
        self.assertEqual([record["lines"][0]["line"] for record in everything],
                         [str(record["worker"]) for record in everything])
        self.assertEqual(len(latest), 2)


class Showing(unittest.TestCase):
    def test_none(self):
        with script(WAIT) as hive:
            hive.wait_status(lambda status: status["workers"], "a worker")
            self.assertEqual(hive.skep("exits").output(), "no worker has ended")
            self.assertEqual(exits_of(hive), [])
            stop_now(hive)

    def test_last_lines_cannot_drive_a_terminal(self):
        with script(r"printf '\x1b]0;x\x07\xff\x00\n'; exit 1") as hive:
            wait_exits(hive, 1)
            shown = on_terminal(program("skep"), "exits", "--dir", hive.folder, "-n", "1")
            stop_now(hive)
        self.assertRegex(shown, rb"\r\n    \?\]0;x\?\?\?\r\n$")
        titles = re.compile(rb"\x1b\[1m([A-Z]+)\x1b\[0m")
        self.assertIsNone(re.search(rb"[^\x20-\x7e\r\n]", titles.sub(rb"\1", shown)), shown)

    def test_usage(self):
        with script(WAIT) as hive:
            for args, text in ((("-n", "0"), "exits: -n 0: expected a number from 1 to 256"),
                               (("x",), "exits: x: unexpected argument; see skep help exits")):
                done = hive.skep("exits", *args)
                self.assertEqual((done.code, done.output()), (64, "skep: " + text))
            hive.wait_line("started")
            stop_now(hive)


if __name__ == "__main__":
    unittest.main()
