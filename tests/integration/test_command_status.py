# SPDX-License-Identifier: MIT
"""skep status beyond its table: what a worker uses and waits for, warnings, handling times, --watch, colours."""
import json
import os
import re
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from fake_broker import FakeBroker, pack, queue
from hive import DEADLINE_S, Hive, Process, connect, program
from terminal import Terminal

ACTOR, JOB_WORKER = (str(Path(os.environ["SKEP_TEST_BIN"]) / name) for name in ("actor", "job_worker"))
BARE_WORKER = str(Path(program("skep")).parent.parent / "tests" / "bench" / "bare_worker")
LISTEN = ["web=tcp://127.0.0.1:0"]
FRAME = rb"\x1b\[H"


def broker_status(**more):
    counts = ("newsSeq", "accepted", "requests", "connections", "restarts", "messages", "badFrames", "unknown",
              "redispatched")
    return pack("brokerStatus", **{"name": "fake", "pid": os.getpid(), "version": "0", "state": "running",
                                   "uptime_ms": 61000, "policy": "round-robin", "news": "ipc://",
                                   **{count: 0 for count in counts}, **more})


def worker_status(number, **more):
    counts = ("slot", "restarts", "connections", "accepted", "requests", "messages", "rss_bytes")
    return pack("workerStatus", **{"worker": number, "pid": 100 + number, "state": "ready", "uptime_ms": 1000,
                                   **{count: 0 for count in counts}, **more})


def listener_status(**more):
    return pack("listenerStatus", **{"url": "tcp://127.0.0.1:80", "accepted": 0, "queued": 0, "paused": False, **more})


def histogram(*cells):
    """Packed as docs/protocol.md says: (cell, count) of each cell that is not empty; below cell 256 one is 128 ns."""
    packed, before = b"", -1
    for cell, count in cells:
        for number in (cell - before - 1, count):
            while number >= 128:
                packed, number = packed + bytes([number & 127 | 128]), number >> 7
            packed += bytes([number])
        before = cell
    return packed


def processor_s(pid):
    """As the kernel says elsewhere than the broker looks."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Faked(unittest.TestCase):
    """What a broker says in an answer that a test has made up."""

    def answer(self, broker, *commands):
        broker.answers["status"] = lambda _: b"".join(commands)

    def text(self, *commands, code=0):
        with FakeBroker() as broker:
            self.answer(broker, *commands)
            done = broker.skep("status")
            self.assertEqual(done.code, code, done.describe())
            return done.output("out")

    def json(self, *commands):
        with FakeBroker() as broker:
            self.answer(broker, *commands)
            done = broker.skep("status", "--json")
            self.assertEqual(done.code, 0, done.describe())
            self.assertEqual(broker.asked, [{"cmd": "status", "times": True}])
            return json.loads(done.output("out"))

    def test_what_needs_somebody_comes_first(self):
        lines = self.text(broker_status(wanted=4, breaker_ms=8000, reloadStep=1, reloadSteps=4),
                          listener_status(name="web", paused=True, resting=True), worker_status(1)).split("\n")
        self.assertRegex(lines[1], r"^BREAKER OPEN: .* 8 s; skep exits shows why, skep resume starts them now$")
        self.assertEqual(lines[2], "TOO FEW: 1 of 4 workers are ready")
        self.assertRegex(lines[3], r"^PAUSED: web accepts nothing; skep resume web")
        self.assertEqual(lines[4], "RELOAD: 1 of 4 workers are new")
        self.assertRegex("\n".join(lines), r"(?m)^web +tcp://127.0.0.1:80 +paused ")

    def test_nothing_is_warned_of_without_a_cause(self):
        for status in (broker_status(wanted=1), broker_status(), broker_status(wanted=2, state="stopping"),
                       broker_status(wanted=0, state="stopping")):
            text = self.text(status, listener_status(), worker_status(1))
            self.assertNotRegex(text, "BREAKER|TOO FEW|NO WORKERS|PAUSED|RELOAD")
            self.assertRegex(text, "(?m)^tcp://127.0.0.1:80 +accepting ")

    def test_the_age_of_a_broker_that_stops_is_not_that_of_the_stop(self):
        self.assertRegex(self.text(broker_status()).split("\n")[0], ", running for [0-9a-z ]+, policy")
        self.assertRegex(self.text(broker_status(state="stopping")).split("\n")[0],
                         ", stopping, started [0-9a-z ]+ ago, policy")

    def test_a_hive_without_workers_says_so(self):
        self.assertEqual(self.text(broker_status(wanted=0), listener_status()).split("\n")[1],
                         "NO WORKERS: the number wanted is 0; skep scale 1 starts one")

    def test_one_is_one(self):
        text = self.text(broker_status(wanted=1, connections=1, restarts=1, requests=2, redispatched=1, badFrames=1,
                                       strayAnswers=1, unknown=1, cut=1),
                         pack("counterStatus", name="visits", count=1))
        self.assertIn("total: 0 accepted, 2 requests, 1 connection, 1 restart, "
                      "1 redispatched connection, 1 stray answer, 1 bad frame, 1 cut connection, "
                      "1 unknown command or field\n", text)
        self.assertIn("counters: 1 visits", text)

    def test_totals_are_words(self):
        text = self.text(broker_status(wanted=1, redispatched=2, badFrames=17, strayAnswers=3, unknown=4, cut=5),
                         pack("counterStatus", name="bad_frames", count=2))
        self.assertIn(" 2 redispatched connections, 3 stray answers, 17 bad frames, 5 cut connections, "
                      "4 unknown commands or fields\n", text)
        self.assertIn("counters: 2 bad_frames", text)  # a program's own

    def test_a_worker_that_leaves_says_what_it_waits_for(self):
        text = self.text(broker_status(), worker_status(1),
                         worker_status(2, state="draining", connections=2, untaken=1, jobs=1, drain_ms=7600),
                         worker_status(3, state="draining", drain_ms=1000))
        self.assertRegex(text, r"(?m)^ +2 +102  draining .* 3 connections, 1 job, 8 s left$")
        self.assertRegex(text, r"(?m)^ +3 +103  draining .* its end, 1 s left$")
        self.assertRegex(text, r"(?m) WAITS FOR$")
        self.assertNotIn("WAITS FOR", self.text(broker_status(), worker_status(1)))

    def test_handling_times_are_those_of_what_a_worker_handles_mostly(self):
        commands = [broker_status(), worker_status(1), worker_status(2),
                    pack("handlingStatus", what="request", times=histogram((10, 98), (200, 4))),
                    pack("handlingStatus", what="job", worker=2, times=histogram((100, 5))),
                    pack("handlingStatus", what="request", worker=1, times=histogram((10, 98), (200, 2))),
                    pack("handlingStatus", what="connection", worker=1, times=histogram((250, 1))),
                    pack("handlingStatus", what="job", worker=9, times=histogram((100, 5))),
                    pack("handlingStatus", what="job", worker=1, times=b"\xff")]
        found = self.json(*commands)
        self.assertEqual([sorted(worker["times"]) for worker in found["workers"]], [["connection", "request"], ["job"]])
        self.assertEqual(found["times"]["request"]["count"], 102)
        self.assertAlmostEqual(found["workers"][0]["times"]["request"]["p50_ms"], 10.5 * 128e-6, delta=128e-6)
        self.assertAlmostEqual(found["times"]["request"]["p99_ms"], 200.5 * 128e-6, delta=128e-6)
        text = self.text(*commands)
        self.assertRegex(text, r"(?m)^ +1 +101  ready .* 1\.\d+ us +\S+ us  request$")
        self.assertRegex(text, r"(?m)^ +2 +102  ready .* 12\.\d us +12\.\d us  job$")
        self.assertRegex(text, r"(?m)^handled: 102 requests, p50 1\.\d+ us, p99 25\.\d us, longest 25\.\d us$")

    def test_queues_say_that_they_are_paused_and_how_long_jobs_take(self):
        with FakeBroker() as broker:
            broker.answers["queues"] = lambda _: (queue("mail", paused=True, times=histogram((100, 5))) + queue("plain")
                                                  + queue("odd", times=b"\xff"))
            found = {one["name"]: one for one in json.loads(broker.skep("queues", "--json").output("out"))["queues"]}
            self.assertEqual([found[name]["paused"] for name in ("mail", "plain")], [True, False])
            self.assertEqual(found["mail"]["times"]["count"], 5)
            self.assertNotIn("times", found["plain"])
            self.assertNotIn("times", found["odd"])
            lines = broker.skep("queues").output("out").split("\n")
            self.assertRegex(lines[0], "^QUEUE  STATE .* P50 +P99  MEMORY$")
            self.assertRegex(lines[1], r"^mail +paused .* 12\.\d us +12\.\d us +0\.0 MB$")
            broker.answers["queues"] = lambda _: queue("plain")
            self.assertNotRegex(broker.skep("queues").output("out"), "STATE|P50")

    def test_json_says_what_there_is_and_null_for_what_is_not_the_case(self):
        found = self.json(broker_status(wanted=3, program="/bin/w", breaker_ms=1500, reloadStep=0, reloadSteps=3),
                          listener_status(resting=True),
                          worker_status(1, cpu_ms=2500, jobs=1, jobsDone=9, untaken=2, drain_ms=500, program="/bin/old"))
        self.assertEqual((found["wanted"], found["program"], found["breaker_s"], found["reload"]),
                         (3, "/bin/w", 1.5, {"step": 0, "steps": 3}))
        self.assertIs(found["listeners"][0]["resting"], True)
        worker = found["workers"][0]
        self.assertEqual([worker[name] for name in ("cpu_s", "jobs", "jobs_done", "untaken", "drain_s", "program")],
                         [2.5, 1, 9, 2, 0.5, "/bin/old"])
        found = self.json(broker_status(), listener_status())
        self.assertEqual((found["breaker_s"], found["reload"], found["times"]), (None, None, {}))
        self.assertIs(found["listeners"][0]["resting"], False)

    def test_text_of_a_peer_does_not_drive_the_terminal(self):
        evil = "\x1b[2J\x07\n\x9b2J"
        with FakeBroker() as broker:
            self.answer(broker, broker_status(wanted=9), listener_status(name=evil, resting=True, paused=True),
                        worker_status(1, name=evil, program=evil),
                        pack("counterStatus", name=evil, count=1),
                        pack("handlingStatus", what=evil, times=histogram((1, 1))))
            for more in ([], ["--json"]):
                with Terminal("skep", "status", *more, "--dir", broker.folder, env={"NO_COLOR": "1"}) as terminal:
                    self.assertEqual(terminal.end(), 0)
                    for byte in ("\x1b", "\x07", "\x9b"):
                        self.assertNotIn(byte.encode(), terminal.written)

    def test_colours_only_where_they_are_wanted(self):
        with FakeBroker() as broker:
            self.answer(broker, broker_status(wanted=2), worker_status(1, state="draining"))
            for env, wanted in (({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False),
                                ({"TERM": "dumb"}, False)):
                with self.subTest(env=env), Terminal("skep", "status", "--dir", broker.folder, env=env) as terminal:
                    self.assertEqual(terminal.end(), 0)
                    self.assertEqual(b"\x1b[1;31mTOO FEW" in terminal.written, wanted)
                    self.assertEqual(b"\x1b" in terminal.written, wanted)
            self.assertNotIn("\x1b", broker.skep("status").output("out"))

    def test_a_broker_that_vanishes_is_told(self):
        with FakeBroker() as broker:
            self.answer(broker, broker_status())
            watching = broker.start("status", "--watch", "--every", "0.1")
            self.addCleanup(watching.end)
            watching.wait_line("^fake in", times=2)
            broker.vanish()
            self.assertEqual(watching.wait_exit(), 69, watching.describe())
            self.assertRegex(watching.output("err"), rf"\Askep: broker pid {os.getpid()} in {broker.folder}: ")

    def test_a_broker_that_vanishes_before_it_answers_is_told(self):
        with FakeBroker() as broker:
            broker.answers["status"] = lambda _: broker.vanish()
            done = broker.skep("status")
            self.assertEqual(done.code, 69, done.describe())
            self.assertRegex(done.output("err"), rf"\Askep: broker pid {os.getpid()} in {broker.folder}: .*\Z")

    def test_the_window_is_not_overrun(self):
        with FakeBroker() as broker:
            self.answer(broker, broker_status(), *(worker_status(number) for number in range(1, 31)))
            with Terminal("skep", "status", "--watch", "--every", "0.1", "--dir", broker.folder, rows=10) as terminal:
                terminal.wait(FRAME, times=3)
                frame = re.split(FRAME, terminal.written)[1]
                self.assertEqual(frame.count(b"\n"), 9)
                self.assertIn("… 26 more\r\n".encode(), frame)
                terminal.resize(50, 80)
                terminal.wait(rb" 130  ready")
                os.kill(terminal.popen.pid, signal.SIGINT)
                self.assertEqual(terminal.end(), 0)
                self.assertTrue(terminal.written.endswith(b"\x1b[?7h\r\n"), terminal.written[-40:])


    def test_a_narrow_window_has_what_matters_and_no_line_is_too_long(self):
        with FakeBroker() as broker:
            self.answer(broker, broker_status(wanted=1),
                        *(worker_status(number, name="a-worker", cpu_ms=10) for number in (1, 2)),
                        pack("handlingStatus", what="connection", worker=1, times=histogram((10, 1))))
            where = "skep", "status", "--dir", broker.folder
            for columns, titles in ((200, "WORKER PID STATE NAME AGE RESTARTS CPU RSS CONNS REQUESTS P50 P99 OF A"),
                                    (80, "WORKER PID STATE AGE RESTARTS CPU RSS CONNS REQUESTS P99"),
                                    (30, "WORKER STATE RESTARTS CONNS REQUESTS P99")):
                with self.subTest(columns=columns), Terminal(*where, columns=columns, env={"NO_COLOR": "1"}) as once:
                    self.assertEqual(once.end(), 0)
                    self.assertEqual(re.search(rb"WORKER .*\w", once.written)[0].decode().split(), titles.split())
            for env in {"NO_COLOR": "1"}, {}:
                with self.subTest(env=env), Terminal(*where, "--watch", "--every", "0.1", columns=30, env=env) as watch:
                    watch.wait(FRAME, times=3)
                    frame = re.split(FRAME, watch.written)[1].decode()
                    lines = [re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", line) for line in frame.split("\r\n")]
                    self.assertTrue(f"fake in {broker.folder}, pid ".startswith(lines[0][:8]) and len(lines[0]) == 30, lines[0])
                    self.assertEqual(max(map(len, lines)), 30)
                    self.assertEqual(frame.count("\x1b[0m"), len(re.findall(r"\x1b\[[1-9][0-9;]*m", frame)))


class Real(unittest.TestCase):
    def test_usage_is_that_of_the_process_and_not_old(self):
        with Hive(ACTOR, "web", workers=1, listen=LISTEN) as hive:
            before = hive.wait_status(lambda s: [w["rss_bytes"] > 100_000 and w["state"] for w in s["workers"]] == ["ready"],
                                      "a worker that was looked at when it had begun")["workers"][0]
            with connect(hive.url) as client:
                client.sendall(b"spin 500\nid\n")
                with client.makefile() as answers:
                    self.assertTrue(answers.readline() and answers.readline())
                spent_s = processor_s(before["pid"])
                self.assertGreater(spent_s, before["cpu_s"])
                hive.wait_status(lambda s: s["workers"][0]["cpu_s"] > spent_s - 0.05, f"{spent_s} s of processor time")
            hive.stop()

    def test_many_workers_are_looked_at_before_the_answer(self):
        with Hive(BARE_WORKER, 4, workers=100) as hive:
            found = hive.wait_ready(100)["workers"]
            self.assertEqual([worker["id"] for worker in found if worker["rss_bytes"] == 0], [])
            asking = [Process([program("skep"), "status", "--json", "--dir", hive.folder]) for _ in range(12)]
            for process in asking:
                self.addCleanup(process.end)
            for process in asking:
                self.assertEqual(process.wait_exit(), 0, process.describe())
                self.assertEqual(len(json.loads(process.output("out"))["workers"]), 100)
            hive.stop()

    def test_jobs_are_those_of_the_worker(self):
        with tempfile.TemporaryDirectory() as folder, \
                Hive(JOB_WORKER, "q:2", workers=1, env={"JOB_LOG": f"{folder}/log"}) as hive:
            hive.wait_ready(1)
            self.assertEqual(hive.skep("submit", "q", "--wait", "a done").code, 0)
            self.assertEqual(hive.skep("submit", "q", "b keep 600000").code, 0)
            hive.wait_status(lambda s: (s["workers"][0]["jobs"], s["workers"][0]["jobs_done"]) == (1, 1), "1 and 1")

    def test_a_draining_worker_stays_in_sight_with_what_it_waits_for(self):
        with Hive(ACTOR, "web", workers=1, listen=LISTEN) as hive:
            hive.wait_ready(1)
            with connect(hive.url) as client:
                client.sendall(b"id\n")
                self.assertTrue(client.recv(100))
                os.kill(hive.pid, signal.SIGTERM)
                found = hive.wait_status(lambda s: s["workers"][0]["state"] == "draining", "a drain")["workers"][0]
                self.assertEqual(found["connections"], 1)
                self.assertLessEqual(found["drain_s"], 10)
                self.assertGreater(found["drain_s"], 0)
                self.assertRegex(hive.skep("status").output("out"), r" 1 connection, \d+ s left")
            self.assertEqual(hive.wait_exit(), 0)

    def test_watch_ends_well_when_the_broker_stops(self):
        with Hive("hello", "--listen", "web", workers=1, listen=LISTEN) as hive:
            hive.wait_ready(1)
            watching = [Process([program("skep"), "status", "--watch", "--every", "0.1", "--dir", hive.folder, *more])
                        for more in ([], ["--json"])]
            for process in watching:
                self.addCleanup(process.end)
                process.wait_line(r"\A(default in|\{)", times=3)
            hive.stop()
            for process in watching:
                self.assertEqual(process.wait_exit(), 0, process.describe())
                self.assertRegex(process.output("err"), rf"\Askep: status: broker pid {hive.pid} in .* has stopped\Z")
            for line in watching[1].output("out").split("\n"):
                self.assertEqual(json.loads(line)["pid"], hive.pid)

    def test_a_killed_broker_has_not_stopped(self):
        with Hive("hello", "--listen", "web", workers=1, listen=LISTEN) as hive:
            hive.wait_ready(1)
            watching = Process([program("skep"), "status", "--watch", "--every", "0.1", "--dir", hive.folder])
            self.addCleanup(watching.end)
            watching.wait_line("^default in")
            hive.kill9(hive.pid)
            self.assertEqual(watching.wait_exit(), 69, watching.describe())

    def test_another_broker_in_its_place_does_not_make_a_killed_one_a_stopped_one(self):
        with Hive("hello", "--listen", "web", workers=1, listen=LISTEN) as hive:
            hive.wait_ready(1)
            watching = Process([program("skep"), "status", "--watch", "--every", "5", "--dir", hive.folder])
            self.addCleanup(watching.end)
            watching.wait_line("^default in")
            hive.kill9(hive.pid)
            with Hive("hello", "--listen", "web", workers=1, listen=LISTEN, folder=hive.folder) as other:
                other.wait_ready(1)
                self.assertEqual(watching.wait_exit(), 69, watching.describe())
                self.assertRegex(watching.output("err"), rf"\Askep: broker pid {hive.pid} in .*: .* gone\Z")
                other.stop()

    def test_a_reader_that_leaves_ends_a_watch_quietly(self):
        with Hive("hello", "--listen", "web", workers=1, listen=LISTEN) as hive:
            hive.wait_ready(1)
            watching = Process(["/bin/sh", "-c", '"$0" "$@" | head -n 1', program("skep"), "status", "--watch",
                                "--every", "0.1", "--dir", hive.folder])
            self.addCleanup(watching.end)
            self.assertEqual(watching.wait_exit(), 0)
            self.assertEqual(watching.output("err"), "")
            hive.stop()

    def test_a_terminal_that_hangs_up_without_a_signal_ends_a_watch(self):
        with FakeBroker() as broker:
            broker.answers["status"] = lambda _: broker_status()
            for more in ([], ["--json"]):
                master, slave = os.openpty()
                with self.subTest(more):
                    watching = subprocess.Popen([program("skep"), "status", "--watch", "--every", "0.1", "--dir",
                                                 broker.folder, *more], stdin=slave, stdout=slave, stderr=slave,
                                                start_new_session=True, env={**os.environ, "TERM": "xterm"})
                    self.addCleanup(watching.kill)
                    self.assertTrue(os.read(master, 1))
                    os.close(slave)
                    os.close(master)
                    self.assertEqual(watching.wait(DEADLINE_S), 0)

    def test_every_needs_watch_and_a_time(self):
        with FakeBroker() as broker:
            for arguments in (["--every", "1"], ["--watch", "--every", "0.01"], ["--watch", "--every", "x"]):
                done = broker.skep("status", *arguments)
                self.assertEqual((done.code, len(done.output("err").split("\n"))), (64, 1), done.describe())


if __name__ == "__main__":
    unittest.main()
