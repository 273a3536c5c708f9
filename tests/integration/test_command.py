#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""skep, the command, when all goes well: run, status, stop, help, and how a broker ends."""
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from hive import DEADLINE_S, Connection, Hive, Process, is_alive, program, run, wait_until

LISTEN = ("--listen", "tcp://127.0.0.1:0")
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
LOG_LINE = re.compile(rf"{STAMP} (broker|worker \d+ pid \d+): \S.*")
TOP = {"name": str, "pid": int, "version": str, "state": str, "uptime_s": float, "policy": str, "listeners": list,
       "workers": list, "totals": dict, "times": dict}
LISTENER = {"url": str, "accepted": int, "queued": int, "paused": bool, "resting": bool}
WORKER = {"id": int, "pid": int, "state": str, "uptime_s": float, "restarts": int, "connections": int, "accepted": int,
          "requests": int, "rss_bytes": int, "cpu_s": float, "jobs": int, "jobs_done": int, "untaken": int}
TOTALS = {"accepted": int, "requests": int, "connections": int, "restarts": int}


class Help(unittest.TestCase):
    def test_help_names_every_command_and_each_explains_its_options(self):
        for arguments in (("help",), ("--help",), ("-h",)):
            done = run("skep", *arguments)
            self.assertEqual((done.code, done.output("err")), (0, ""))
            for command in ("run", "status", "events", "stop", "submit", "queues", "peek", "dead", "send", "call", "help",
                            "version"):
                self.assertRegex(done.output("out"), rf"(?m)^  {command} ")
        for command, option in (("run", "--credit"), ("status", "--json"), ("events", "--json"), ("stop", "--now"),
                                ("submit", "--lines"), ("queues", "--json"), ("peek", "--count"), ("dead", "--all"),
                                ("send", "--raw"), ("call", "--timeout"), ("run", "--lease")):
            explained = run("skep", "help", command)
            self.assertEqual(explained.code, 0)
            self.assertIn(option, explained.output("out"))
            self.assertEqual(run("skep", command, "--help").output("out"), explained.output("out"))

    def test_version(self):
        header = Path(os.environ["SKEP_SOURCE"], "lib/include/skep/skep.h").read_text()
        version = re.search(r'SKEP_VERSION "(.*)"', header).group(1)
        for argument in ("version", "--version"):
            done = run("skep", argument)
            self.assertEqual((done.code, done.output("out")), (0, f"skep {version}"))

    def test_output_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([program("skep"), "help"], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 71)
        self.assertRegex(done.stderr, r"\Askep: stdout: .*\n\Z")

    def run_without_stdout(self, *arguments):
        return subprocess.run(["sh", "-c", 'exec "$0" "$@" >&-', program("skep"), *arguments], stderr=subprocess.PIPE,
                              text=True, timeout=DEADLINE_S)

    def test_so_is_output_to_a_stdout_that_was_closed(self):
        with Hive("hello", *LISTEN, workers=1) as hive:
            hive.wait_ready(1)
            there = ("--dir", hive.folder)
            for arguments in (("version",), ("help", "run"), ("status", *there), ("queues", "--json", *there),
                              ("submit", "mail", "x", *there), ("scale", "1", *there),
                              ("events", "--once", "--since", "1", *there)):
                with self.subTest(arguments):
                    done = self.run_without_stdout(*arguments)
                    self.assertEqual(done.returncode, 71, done.stderr)
                    self.assertRegex(done.stderr, "(?m)^skep: .*stdout: Bad file descriptor$")
            hive.stop()

    def test_a_broker_needs_no_stdout(self):
        with tempfile.TemporaryDirectory(prefix="skep-") as folder:
            done = self.run_without_stdout("run", "-n", "1", "--dir", f"{folder}/hive", "--no-capture", "--",
                                           "sh", "-c", "echo from the worker && exit 78")
        self.assertEqual(done.returncode, 78, done.stderr)


class Status(unittest.TestCase):
    def check_types(self, found, wanted):
        for key, kind in wanted.items():
            self.assertIn(key, found)
            self.assertIsInstance(found[key], (int, float) if kind is float else kind, key)

    def test_json_has_the_documented_names(self):
        with Hive("hello", *LISTEN, workers=2, policy="least-connections") as hive:
            hive.wait_ready(2)
            hive.requests(10)
            status = hive.wait_status(  # memory that was looked up as a worker began is known for a second
                lambda found: found["totals"]["requests"] == 10
                and all(worker["rss_bytes"] > 100_000 for worker in found["workers"]), "10 requests and memory counted")
            self.check_types(status, TOP)
            self.assertEqual((status["name"], status["pid"], status["state"], status["policy"]),
                             ("default", hive.pid, "running", "least-connections"))
            self.assertEqual(len(status["listeners"]), 1)
            self.check_types(status["listeners"][0], LISTENER)
            self.assertEqual((status["listeners"][0]["accepted"], status["listeners"][0]["queued"]), (10, 0))
            self.assertEqual([worker["id"] for worker in status["workers"]], [1, 2])
            for worker in status["workers"]:
                self.check_types(worker, WORKER)
                self.assertTrue(is_alive(worker["pid"]))
                self.assertLessEqual(worker["uptime_s"], status["uptime_s"])
            self.check_types(status["totals"], TOTALS)
            self.assertEqual(status["totals"]["accepted"], 10)
            hive.stop()

    def test_restarts_belong_to_the_place_that_was_filled_anew(self):
        with Hive("hello", *LISTEN, workers=2) as hive:
            hive.wait_ready(2)
            hive.kill9(hive.pids()[1])
            status = hive.wait_status(lambda found: {worker["id"]: worker["state"] for worker in found["workers"]}
                                      == {2: "ready", 3: "ready"}, "worker 3 in the place of worker 1")
            self.assertEqual({worker["id"]: worker["restarts"] for worker in status["workers"]}, {2: 0, 3: 1})
            self.assertEqual(status["totals"]["restarts"], 1)
            hive.stop()

    def test_table_for_people_is_aligned(self):
        with Hive("hello", *LISTEN, workers=2) as hive:
            pids = hive.wait_ready(2) and hive.pids()
            done = hive.skep("status")
            lines = done.output("out").split("\n")
            self.assertEqual(done.code, 0)
            self.assertRegex(lines[0], rf"^default in {hive.folder}, pid {hive.pid}, running for \d+s, policy round-")
            title = next(line for line in lines if line.startswith("WORKER"))
            rows = [line for line in lines if re.match(r" +\d+ +\d+  ready ", line)]
            self.assertEqual([int(row.split()[1]) for row in rows], list(pids.values()))
            for row in rows:
                self.assertEqual(len(row), len(title))
                self.assertEqual(row.index("ready"), title.index("STATE"))
            self.assertRegex(done.output("out"), rf"(?m)^{re.escape(hive.url)} ")
            self.assertRegex(done.output("out"), r"(?m)^total: 0 accepted, 0 requests, 0 connections, 0 restarts")
            hive.stop()


class Run(unittest.TestCase):
    def test_log_has_one_line_for_each_thing_that_happens(self):
        with Hive("hello", "--listen", "web", workers=1, listen=["web=tcp://127.0.0.1:0"]) as hive:
            url = hive.wait_line(r"broker: listening on (tcp://127\.0\.0\.1:\d+) as web$").group(1)
            self.assertIn("Hello", hive.get(url=url).text)
            pid = hive.wait_ready(1) and hive.pids()[1]
            hive.kill9(pid)
            hive.wait_line(r"worker 2 pid \d+: ready$")
            hive.stop()
            log = [line for line in hive.output("err").split("\n")]
            for line in log:
                self.assertRegex(line, LOG_LINE)
            said = [re.sub(rf"^{STAMP} ", "", line) for line in log]
            self.assertRegex(said[0], rf"^broker: running default in {hive.folder}, policy round-robin, 1 worker of ")
            first = [line.split(": ", 1)[1] for line in said if line.startswith(f"worker 1 pid {pid}: ")]
            self.assertEqual(first[:4], ["started", "online", f"listening on {url}", "ready"])
            self.assertRegex("\n".join(first), r"(?m)^killed by SIGKILL \(crashed\), replacement in \d+ ms$")
            self.assertRegex("\n".join(said), r"(?m)^worker 2 pid \d+: exited with status 0 \(voluntary\)$")
            self.assertLess(said.index("broker: stopping"), said.index("broker: stopped"))
            self.assertEqual(said[-1], "broker: stopped")

    def test_output_of_workers_passes_through(self):
        script = 'echo "to stdout"; echo "to stderr" >&2; exec sleep 1000'
        with Hive(None, "/bin/sh", "-c", script, workers=1) as hive:
            hive.wait_line("^to stdout$", stream="out")
            hive.wait_line("^to stderr$", stream="err")

    def test_auto_is_a_worker_for_each_processor_that_may_be_used(self):
        with Hive("hello", *LISTEN, workers="auto") as hive:
            hive.wait_ready(len(os.sched_getaffinity(0)))
            hive.stop()

    def test_a_log_that_nobody_reads_does_not_hold_the_broker_up(self):
        folder = tempfile.mkdtemp(prefix="skep-", dir="/tmp")
        self.addCleanup(shutil.rmtree, folder, True)
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        argv = [program("skep"), "run", "-n", "20", "--dir", folder, "--", program("hello"), *LISTEN]
        broker = subprocess.Popen(argv, stderr=writer, start_new_session=True)
        self.addCleanup(broker.kill)
        os.close(writer)

        def ready():
            done = run("skep", "status", "--json", "--dir", folder)
            workers = json.loads(done.output("out"))["workers"] if done.code == 0 else []
            return {worker["state"] for worker in workers} == {"ready"}
        wait_until(ready, "20 workers ready behind a full log")
        with os.fdopen(reader, errors="replace") as log:
            os.kill(broker.pid, signal.SIGTERM)
            text = log.read()
        self.assertEqual(broker.wait(20), 0)
        self.assertRegex(text, r"broker: \d+ lines of this log were dropped, because it was not read\n")
        self.assertTrue(text.endswith("broker: stopped\n"), text[-200:])


    def test_policy_of_the_environment_and_of_an_option_which_wins(self):
        for value, options, policy in (("sticky", [], "sticky"), ("shared", ["--policy", "sticky"], "sticky"),
                                       ("", [], "round-robin"), ("fair", ["--policy", "sticky"], "sticky")):
            with self.subTest(value=value), Hive("hello", *LISTEN, options=options, env={"SKEP_POLICY": value}) as hive:
                self.assertEqual(hive.wait_ready(2)["policy"], policy)
                hive.stop()


class Where(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="skep-", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.folder, True)

    def start(self, *options, **env):
        clean = {key: value for key, value in os.environ.items() if key not in ("SKEP_DIR", "XDG_RUNTIME_DIR")}
        self.env = {**clean, **env}
        process = Process([program("skep"), "run", *options, program("hello"), *LISTEN], env=self.env)
        self.addCleanup(process.end)
        process.wait_line("worker 1 pid .*: ready")
        return process

    def skep(self, *arguments):
        done = Process([program("skep"), *arguments], env=self.env)
        self.addCleanup(done.end)
        done.code = done.wait_exit()
        return done

    def check_found(self, process, folder, name, *options):
        status = json.loads(self.skep("status", "--json", *options).output("out"))
        self.assertEqual(len(status["workers"]), len(os.sched_getaffinity(0)))
        self.assertEqual((status["pid"], status["name"]), (process.pid, name))
        self.assertEqual(os.stat(folder).st_mode & 0o777, 0o700)
        self.assertEqual(self.skep("stop", *options).code, 0)
        self.assertEqual(process.wait_exit(), 0)

    def test_by_name(self):
        process = self.start("--name", "alpha", XDG_RUNTIME_DIR=self.folder)
        other = self.skep("status")
        self.assertEqual(other.code, 69)
        self.assertEqual(other.output("err"), f"skep: no broker in {self.folder}/skep/default; running: alpha (--name)")
        self.check_found(process, f"{self.folder}/skep/alpha", "alpha", "--name", "alpha")

    def test_without_options_it_is_called_default(self):
        process = self.start(XDG_RUNTIME_DIR=self.folder)
        self.check_found(process, f"{self.folder}/skep/default", "default")

    def test_directory_of_the_environment(self):
        process = self.start(SKEP_DIR=f"{self.folder}/hive", XDG_RUNTIME_DIR=self.folder)
        self.check_found(process, f"{self.folder}/hive", "default")

    def test_directory_of_an_option_wins(self):
        process = self.start("--dir", f"{self.folder}/one", "--name", "beta", SKEP_DIR=f"{self.folder}/two")
        self.assertFalse(os.path.exists(f"{self.folder}/two"))
        self.check_found(process, f"{self.folder}/one", "beta", "--dir", f"{self.folder}/one")


class End(unittest.TestCase):
    def test_stop_waits_for_workers_that_take_their_time(self):
        with Hive(None, "/bin/sleep", "1000", options=["--drain-timeout", "0.5"]) as hive:
            hive.wait_line("worker 2 pid .*: started")
            pids = hive.pids()
            self.assertEqual(hive.skep("stop").code, 0)
            self.assertEqual([pid for pid in pids.values() if is_alive(pid)], [])
            self.assertEqual(hive.skep("status").code, 69)
            self.assertEqual(hive.wait_exit(), 0, hive.describe())
            self.assertEqual(hive.count(r"killed by SIGTERM \(drain-timeout\)"), 2)

    def test_stop_waits_until_the_directory_is_free(self):
        with Hive("hello", *LISTEN) as hive:
            pids = hive.wait_ready(2) and hive.pids()
            self.assertEqual(hive.skep("stop").code, 0)
            self.assertEqual([pid for pid in pids.values() if is_alive(pid)], [])
            with Hive("hello", *LISTEN, folder=hive.folder) as second:
                second.wait_ready(2)
                second.stop()
            self.assertEqual(hive.wait_exit(), 0, hive.describe())
            self.assertEqual(hive.count(r"worker \d+ pid \d+: exited with status 0 \(voluntary\)"), 2)

    def test_stop_now_kills(self):
        with Hive(None, "/bin/sleep", "1000", options=["--ready-timeout", "1000", "--drain-timeout", "1000"]) as hive:
            hive.wait_line("worker 2 pid .*: started")
            pids = hive.pids()
            self.assertEqual(hive.skep("stop", "--now").code, 0)
            self.assertEqual(hive.wait_exit(), 0, hive.describe())
            self.assertEqual([pid for pid in pids.values() if is_alive(pid)], [])
            self.assertEqual(hive.count(r"killed by SIGKILL \(killed\)"), 2)

    def test_a_signal_drains_and_the_second_ends_at_once(self):
        for sig in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=sig.name), Hive("hello", *LISTEN, workers=1,
                                                     options=["--drain-timeout", "1000"]) as hive:
                hive.wait_ready(1)
                with Connection(hive.url) as held:
                    held.sock.sendall(b"GET / HTTP/1.1\r\n")  # a request that is live and never complete
                    hive.wait_status(lambda found: found["totals"]["connections"] == 1, "a live connection")
                    os.kill(hive.pid, sig)
                    hive.wait_line("broker: stopping")
                    hive.wait_line("worker 1 pid .*: draining")
                    self.assertIsNone(hive.popen.poll())
                    os.kill(hive.pid, sig)
                    self.assertEqual(hive.wait_exit(5), 0, hive.describe())
                hive.wait_line(r"worker 1 pid .*: killed by SIGKILL \(killed\)")

    def test_control_c_reaches_the_workers_too_and_they_finish(self):
        with Hive("hello", *LISTEN) as hive:
            hive.wait_ready(2)
            os.killpg(hive.pid, signal.SIGINT)
            self.assertEqual(hive.wait_exit(), 0, hive.describe())
            self.assertEqual(hive.count(r"exited with status 0 \(voluntary\)"), 2, hive.describe())
            self.assertEqual(hive.count("killed by"), 0)

    def test_after_kill_9_of_the_broker_nothing_is_left_and_another_starts(self):
        with Hive("hello", *LISTEN, workers=3) as hive:
            pids = hive.wait_ready(3) and hive.pids()
            os.kill(hive.pid, signal.SIGKILL)
            self.assertEqual(hive.popen.wait(10), -signal.SIGKILL)
            with Hive("hello", *LISTEN, workers=3, folder=hive.folder) as second:
                wait_until(lambda: not any(is_alive(pid) for pid in pids.values()), "orphans to end", deadline_s=2)
                second.wait_ready(3)
                self.assertEqual(second.get().status, 200)
                second.stop()


if __name__ == "__main__":
    unittest.main()
