#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What workers write: captured by line, kept within bounds, passed on by skep run, shown and followed by skep logs."""
import json
import os
import pty
import re
import signal
import subprocess
import threading
import time
import unittest
from tempfile import TemporaryDirectory

from faults import (TCP, actors, answers, ask, crowd, disperse, process_state, processor_s, quiet_descriptors,
                    wait_descriptors, workers_of)
from fake_broker import FakeBroker, pack
from hive import DEADLINE_S, Hive, Process, is_alive, program, wait_until

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
WILD = r"\x1b[2J\xc2\x9b\xff\x00t\xc3\xa4\there\r"  # as printf takes it
WILD_BYTES = b"\x1b[2J\xc2\x9b\xff\x00t\xc3\xa4\there\r"
WAIT = "exec sleep 600"


def script(text, workers=1, options=(), **others):
    """A hive whose workers are shell scripts that never say hello."""
    return Hive("/bin/bash", "-c", text, workers=workers, options=("--ready-timeout", "600", *options), **others)


def stop_now(hive):
    hive.skep("stop", "--now")
    hive.wait_exit()


def try_lines(hive, *args):
    """The objects of skep logs --json; None while no broker answers."""
    done = hive.skep("logs", "--json", *args)
    return [json.loads(line) for line in done.output("out").split("\n") if line] if done.code == 0 else None


def lines_of(hive, *args):
    found = try_lines(hive, *args)
    if found is None:
        raise AssertionError(f"skep logs failed\n{hive.describe()}")
    return found


def wait_lines(hive, count, *args):
    def look():
        found = try_lines(hive, *args)
        return found if found and len(found) >= count else None
    return wait_until(look, f"{count} lines", context=hive.describe)


def raw(hive, *args):
    """What skep writes on a pipe, as bytes."""
    return subprocess.run([program("skep"), *args, "--dir", hive.folder], stdout=subprocess.PIPE, timeout=60,
                          check=True).stdout


def on_terminal(*argv, until=None):
    """What a command writes to a terminal, without colours, to its end or until this comes."""
    master, slave = pty.openpty()
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave, start_new_session=True,
                               env={**os.environ, "NO_COLOR": "1"})
    os.close(slave)
    shown = b""
    try:
        while (until is None or until not in shown) and (data := os.read(master, 65536)):
            shown += data
    except OSError:  # that is how a terminal ends
        pass
    if until is not None:
        process.send_signal(signal.SIGTERM)
    process.wait(60)
    os.close(master)
    return shown


def cat(folder, *args):
    return Process([program("skep"), "logs", "-f", "--dir", folder, *args])


class Lines(unittest.TestCase):
    def test_time_worker_pid_and_stream(self):
        with script(f"echo 'to out'; echo 'to err' >&2; {WAIT}") as hive:
            wait_lines(hive, 2)
            pid = hive.pids()[1]
            found = {line["stream"]: line for line in lines_of(hive)}
            shown = hive.skep("logs").output("out").split("\n")
            stop_now(hive)
        self.assertEqual([found["stdout"]["line"], found["stderr"]["line"]], ["to out", "to err"])
        self.assertEqual(sorted(line["seq"] for line in found.values()), [1, 2])
        self.assertEqual(found["stdout"]["worker"], {"id": 1, "pid": pid})
        self.assertRegex(found["stdout"]["time"], rf"^{STAMP}$")
        self.assertEqual(len(shown), 2)
        for line, stream in zip(sorted(shown, key=lambda line: line.split()[-1], reverse=True), ("stdout", "stderr")):
            self.assertRegex(line, rf"^{STAMP} worker 1 pid {pid} {stream}: to {stream[3:]}$")

    def test_any_bytes(self):
        with script(f"printf '{WILD}\\n'; {WAIT}") as hive:
            found = wait_lines(hive, 1)
            self.assertEqual(bytes.fromhex(found[0]["line_hex"]), WILD_BYTES)
            self.assertTrue(raw(hive, "logs").endswith(b" stdout: " + WILD_BYTES + b"\n"))
            shown = on_terminal(program("skep"), "logs", "--dir", hive.folder)
            self.assertTrue(shown.endswith("stdout: ?[2J????tä\there?\r\n".encode()), shown)
            self.assertNotIn(b"\x1b", on_terminal(program("skep"), "logs", "--json", "--dir", hive.folder))
            stop_now(hive)

    def test_a_line_of_a_megabyte(self):
        with script(f"head -c 1000000 /dev/zero | tr '\\0' x; echo; echo short; {WAIT}") as hive:
            found = wait_lines(hive, 2)
            hive.wait_line(r"^x{4096} \[995904 bytes cut\]$", stream="out")
            hive.wait_line("^short$", stream="out")
            shown = hive.skep("logs", "-n", "2").output("out").split("\n")
            stop_now(hive)
        self.assertEqual(found[0]["line"], "x" * 4096)
        self.assertEqual(found[0]["cut"], 1000000 - 4096)
        self.assertNotIn("cut", found[1])
        self.assertTrue(shown[0].endswith("x [995904 bytes cut]"))

    def test_a_character_that_was_cut_in_two(self):
        with script(f"printf x; for i in $(seq 3000); do printf '\\xc3\\xa4'; done; echo; {WAIT}") as hive:
            found = wait_lines(hive, 1)
            stop_now(hive)
        self.assertEqual((found[0]["line"], found[0]["cut"]), ("x" + "ä" * 2047, 6001 - 4095))

    def test_a_line_that_does_not_end(self):
        with script(f"printf 'prompt> '; {WAIT}") as hive:
            self.assertEqual(wait_lines(hive, 1)[0]["line"], "prompt> ")
            self.assertTrue(is_alive(hive.pids()[1]))
            stop_now(hive)

    def test_what_is_written_before_the_end_comes_before_the_exit(self):
        folder = self.enterContext(TemporaryDirectory())
        process = subprocess.Popen(
            [program("skep"), "run", "-n", "1", "--dir", folder + "/hive", "--", "/bin/bash", "-c",
             "seq 1 5000; printf 'no end'; exit 78"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        text = process.communicate(timeout=60)[0].split("\n")
        self.assertEqual(process.returncode, 78, text[-10:])
        numbers = [int(line) for line in text if line.isdigit()]
        self.assertEqual(numbers, list(range(1, 5001)))
        ended = next(i for i, line in enumerate(text) if "exited with status 78" in line)
        self.assertLess(text.index("5000"), text.index("no end"))
        self.assertLess(text.index("no end"), ended)

    def test_a_child_of_the_worker_that_keeps_the_pipe_holds_nothing_up(self):
        with script("exec 5>&1; echo $(env -u SKEP_HIVE setsid -f sh -c 'echo $$; exec sleep 600 >&5'); exit 3") as hive:
            grandchild = int(hive.wait_line(r"^(\d+)$", stream="out").group(1))
            hive.wait_line(r"worker 1 pid \d+: exited with status 3")
            hive.wait_line(r"worker 2 pid \d+: started")
            self.assertTrue(is_alive(grandchild))
            stop_now(hive)

    def test_descriptors_return_to_their_baseline(self):
        with actors(TCP, workers=2) as hive:
            pids = hive.wait_ready(2) and hive.pids()
            baseline = quiet_descriptors(hive)
            for pid in pids.values():
                hive.kill9(pid)
            hive.wait_status(lambda status: {w["state"] for w in status["workers"]} == {"ready"}
                             and status["totals"]["restarts"] == 2, "replacements")
            wait_descriptors(hive, baseline)
            hive.stop()

    def test_workers_do_not_hold_pipes_of_others(self):
        with script(f"readlink /proc/$$/fd/*; echo over; {WAIT}", workers=3) as hive:
            wait_until(lambda: hive.count("^over$") == 3, "all lines", context=hive.describe)
            found = [(line["worker"]["id"], line["line"]) for line in lines_of(hive) if "pipe:" in line["line"]]
            stop_now(hive)
        self.assertEqual(sorted(worker for worker, _ in found), [1, 1, 2, 2, 3, 3])
        self.assertEqual(len({pipe for _, pipe in found}), 6)


class Flood(unittest.TestCase):
    def test_a_worker_that_floods_slows_itself(self):
        with actors(TCP, workers=2, options=("--credit", "1")) as hive:
            hive.wait_ready(2)
            url = hive.url
            flooding = int(ask(url, "flood").split()[0])
            began_s, used_s = time.monotonic(), processor_s(hive.pid)
            first = lines_of(hive, "-n", "1")
            waiting = crowd(url, 2)  # one of them for the worker that has no time: it gets no more
            self.assertEqual(workers_of(answers(waiting, enough=1)), [3 - flooding])
            served = [int(ask(url).split()[0]) for _ in range(200)]
            hive.wait_line(r"error: it writes more than 1024 KiB a second to stdout and stderr, and is slowed down")
            last = lines_of(hive, "-n", "1")
            lasted_s, used_s = time.monotonic() - began_s, processor_s(hive.pid) - used_s
            wait_until(lambda: process_state(hive.pids()[flooding]) == "S", "the flooding worker to wait")
            disperse(waiting)
            stop_now(hive)
        self.assertEqual(set(served), {3 - flooding})
        size = len("a line of a flood that never ends\n")
        written = (last[0]["seq"] - (first[0]["seq"] if first else 0)) * size
        self.assertLess(written, 1024 * 1024 * (lasted_s + 1))
        self.assertLess(used_s, max(0.5, lasted_s / 2))

    def test_the_log_is_bounded(self):
        text = f"head -c 1000000 /dev/zero | tr '\\0' x | fold -w 999; echo; echo done; {WAIT}"
        with script(text, workers=8) as hive:
            wait_until(lambda: (latest := try_lines(hive, "-n", "1")) and latest[0]["seq"] >= 8 * 1003, "all lines",
                       context=lambda: "")
            size = len(raw(hive, "logs"))
            first = json.loads(raw(hive, "logs", "--json").split(b"\n")[0])
            stop_now(hive)
        self.assertGreater(first["seq"], 1)
        self.assertLess(size, 5 * 1024 * 1024)
        self.assertGreater(size, 3 * 1024 * 1024)

    def test_output_that_nobody_reads_does_not_hold_the_broker_up(self):
        folder = self.enterContext(TemporaryDirectory())
        process = subprocess.Popen(
            [program("skep"), "run", "-n", "1", "--dir", folder + "/hive", "--ready-timeout", "600", "--", "/bin/bash",
             "-c", f"seq 1 100000; echo end; {WAIT}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.kill)

        def last():
            done = subprocess.run([program("skep"), "logs", "-n", "1", "--dir", folder + "/hive"], timeout=60,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
            return done.stdout.endswith(b": end\n")
        wait_until(last, "the end of the log")
        texts = {}
        readers = [threading.Thread(target=lambda name=name, stream=stream: texts.update({name: stream.read()}))
                   for name, stream in (("out", process.stdout), ("err", process.stderr))]
        for reader in readers:
            reader.start()
        subprocess.run([program("skep"), "stop", "--now", "--dir", folder + "/hive"], timeout=60, check=True)
        self.assertEqual(process.wait(60), 0)
        for reader in readers:
            reader.join(60)
        process.stdout.close()
        process.stderr.close()
        lines = texts["out"].split()
        numbers = [int(line) for line in lines if line != b"end"]
        dropped = re.search(rb"broker: (\d+) lines of workers were dropped here", texts["err"])
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertLess(len(numbers), 100000)
        self.assertEqual(len(lines) + int(dropped.group(1)), 100001)


class Following(unittest.TestCase):
    def test_across_the_death_of_a_worker(self):
        with script(f"echo born; {WAIT}") as hive:
            wait_lines(hive, 1)
            follower = cat(hive.folder, "--json")
            self.addCleanup(follower.end)
            follower.wait_line('"seq":1,')
            for n in (2, 3):
                hive.kill9(next(iter(hive.pids().values())))
                follower.wait_line(f'"seq":{n},')
                hive.wait_status(lambda status: status["workers"], "a replacement")
            hive.skep("stop", "--now")
            self.assertEqual(follower.wait_exit(), 0, follower.describe())
            found = [json.loads(text) for text in follower.output("out").split("\n")]
        self.assertEqual([(line["seq"], line["worker"]["id"], line["line"]) for line in found],
                         [(n, n, "born") for n in (1, 2, 3)])

    def test_one_worker(self):
        with actors(TCP, workers=2) as hive:
            hive.wait_ready(2)
            follower = cat(hive.folder, "2", "-n", "5")
            self.addCleanup(follower.end)
            for n in range(6):
                ask(hive.url, f"print number {n}")
            follower.wait_line("stdout: number", times=3)
            follower.popen.send_signal(signal.SIGINT)
            self.assertEqual(follower.wait_exit(), 0)
            hive.stop()
        self.assertEqual(follower.count("worker 2 pid"), 3)
        self.assertEqual(follower.count("worker 1 pid"), 0)

    def test_a_broker_that_vanished(self):
        with script(f"echo born; {WAIT}") as hive:
            follower = cat(hive.folder) if wait_lines(hive, 1) else None
            self.addCleanup(follower.end)
            follower.wait_line("born")
            os.kill(hive.pid, signal.SIGKILL)
            self.assertEqual(follower.wait_exit(), 69)
            self.assertIn("the other side is gone", follower.output("err"))

    def test_a_reader_that_left(self):
        with script(f"echo born; {WAIT}") as hive:
            wait_lines(hive, 1)
            follower = subprocess.Popen([program("skep"), "logs", "-f", "--dir", hive.folder], stdout=subprocess.PIPE)
            follower.stdout.readline()
            follower.stdout.close()
            self.assertEqual(follower.wait(DEADLINE_S), 0)
            stop_now(hive)


class Asking(unittest.TestCase):
    def test_the_latest_lines_and_those_of_one_worker(self):
        with script(f"seq 1 100; {WAIT}", workers=2) as hive:
            wait_lines(hive, 200)
            latest = lines_of(hive, "-n", "7")
            of_one = lines_of(hive, "2")
            latest_of_one = lines_of(hive, "-n", "3", "1")
            stop_now(hive)
        self.assertEqual([line["seq"] for line in latest], list(range(194, 201)))
        self.assertEqual([line["line"] for line in of_one], [str(n) for n in range(1, 101)])
        self.assertEqual([line["line"] for line in latest_of_one], ["98", "99", "100"])

    def test_a_worker_that_has_gone_and_one_that_never_was(self):
        with script(f"echo born; {WAIT}") as hive:
            wait_lines(hive, 1)
            hive.kill9(hive.pids()[1])
            wait_lines(hive, 2)
            self.assertEqual(len(lines_of(hive, "1")), 1)
            for worker, code, text in (("99", 68, "skep: logs: no worker 99"),
                                       ("x", 64, "skep: logs: x: expected a worker's id, as shown by skep status"),
                                       ("0", 64, "skep: logs: 0: expected a worker's id, as shown by skep status")):
                done = hive.skep("logs", worker)
                self.assertEqual((done.code, done.output()), (code, text))
            stop_now(hive)

    def test_not_captured(self):
        with script(f"echo 'as it is'; {WAIT}", options=("--no-capture",)) as hive:
            hive.wait_line("^as it is$", stream="out")
            done = hive.skep("logs")
            self.assertEqual(done.code, 70)
            self.assertRegex(done.output(), r"^skep: broker pid \d+ in \S+: the output of its workers is not captured$")
            stop_now(hive)

    def test_skep_run_on_a_terminal(self):
        folder = self.enterContext(TemporaryDirectory())
        shown = on_terminal(program("skep"), "run", "-n", "1", "--dir", folder + "/hive", "--ready-timeout", "600",
                            "--", "/bin/bash", "-c", f"printf '{WILD}\\n'; echo over; {WAIT}",
                            until=b"over")
        self.assertIn("?[2J????tä\there?\r\nover".encode(), shown)
        self.assertNotIn(b"\x1b", shown)


def line(seq, text=b"text", **more):
    return pack("logLine", **{"seq": seq, "time": 1000, "worker": 1, "pid": 4711, "stream": 1, "line": text, **more})


class Scripted(unittest.TestCase):
    def setUp(self):
        self.broker = self.enterContext(FakeBroker())

    def skep(self, *args):
        return self.broker.skep("logs", *args)

    def test_pages(self):
        pages = {0: line(1) + line(2) + pack("logEnd", seq=2, more=True), 2: line(5) + pack("logEnd", seq=6, more=True),
                 6: pack("logEnd", seq=9)}
        self.broker.answers["logs"] = lambda question: pages[question["since"]]
        done = self.skep()
        self.assertEqual((done.code, done.output("err")), (0, ""))
        self.assertEqual(done.output("out"), "\n".join(["1970-01-01T00:00:01.000Z worker 1 pid 4711 stdout: text"] * 3))

    def test_what_is_asked_for(self):
        self.broker.answers["logs"] = lambda question: pack("logEnd", seq=9)
        self.skep()
        self.skep("7")
        self.skep("-n", "3", "7")
        self.assertEqual(self.broker.asked, [{"cmd": "logs", "since": 0}, {"cmd": "logs", "since": 0, "worker": 7},
                                             {"cmd": "logs", "n": 3, "worker": 7}])

    def test_lost_lines_are_told_while_it_follows(self):
        pages = {0: line(7) + pack("logEnd", seq=7, lost=6), 7: line(12) + pack("logEnd", seq=12, lost=4)}
        self.broker.answers["logs"] = lambda question: pages.get(question["since"], pack("logEnd", seq=12))
        follower = cat(self.broker.folder)
        self.addCleanup(follower.end)
        follower.wait_line("stdout: text", times=2)
        follower.wait_line("^skep: logs: 4 lines of all workers are lost$", stream="err")
        follower.popen.send_signal(signal.SIGTERM)
        self.assertEqual(follower.wait_exit(), 0)
        self.assertEqual(len(follower.output("err").split("\n")), 1)

    def test_a_broker_that_makes_no_sense(self):
        for answer in (lambda question: pack("done"), lambda question: line(1),
                       lambda question: pack("logEnd", seq=3, more=True)):
            self.broker.answers["logs"] = answer
            done = self.skep()
            self.assertEqual(done.code, 76, done.describe())
            self.assertRegex(done.output("err"), r"^skep: broker pid \d+ in \S+: malformed or unexpected data$")

    def test_one_of_another_version(self):
        self.broker.answers["logs"] = lambda question: pack("failed", status=15, reason="unknown command")
        done = self.skep("-f")
        self.assertEqual(done.code, 76)
        self.assertRegex(done.output("err"), ": unknown command$")


if __name__ == "__main__":
    unittest.main()
