# SPDX-License-Identifier: MIT
"""Programs of the command line that know NNG's wire and nothing of Skep, as peers of a broker: nngcat, and nanocat of
the older library that the wire comes from."""
import contextlib
import shutil
import sys
import unittest
from pathlib import Path

from hive import Process, wait_until
from jobs import ask, wire
from nngs import QUEUE, Broker, Case, for_each_nng
from wire import pack  # jobs.py has made it findable

EPROTO = 15

# Joins the broker of a folder, submits so many jobs to a queue, and becomes the tool, which connects to the returns.
JOINS_AND_BECOMES = f"""
import os, sys
sys.path.insert(0, {str(Path(wire.__file__).parent)!r})
import wire
folder, queue, count, *tool = sys.argv[1:]
joined, = wire.Asker(wire.control_url(folder)).ask("join")
intake = wire.Pipe(joined["intake"], wire.PUSH)
for number in range(1, int(count) + 1):
    submit = wire.pack("submit", queue=queue, number=number, jobs=[b"z" * (number % 7 * 3000)], outcomes=True)
    intake.send(wire.pack("client", client=joined["client"]) + submit)
os.execv(tool[0], [*tool, joined["returns"]])
"""


class Tool(Case):
    """nngcat."""
    package = "nng-utils"

    def command(self):
        return self.nng.tool()

    def setUp(self):
        super().setUp()
        if not self.command():
            self.skipTest(f"not installed: Debian's {self.package} has it")

    @contextlib.contextmanager
    def tool(self, hive, kind, url, *args, frame=None):
        """The program, connected to a socket of the broker, or to a URL."""
        if kind not in ("push", "pub"):
            args = [*args, "--hex"]
        if frame is not None:
            path = self.folder / "frame"
            path.write_bytes(frame)
            args = [*args, "--file", str(path)]
        if "://" not in url:
            url = wire.control_url(hive.folder).replace("/control.", f"/{url}.")
        process = Process([*self.command(), f"--{kind}", "--connect", url, *args])
        try:
            yield process
        finally:
            process.end()

    def heard(self, process):
        """All commands that it has printed, a frame a line."""
        frames = [bytes.fromhex(line.strip('"').replace("\\x", "")) for line in process.output("out").splitlines()]
        return [command for frame in frames for command in wire.unpack(frame)]

    def wait_heard(self, process, predicate, what):
        return wait_until(lambda: next(filter(predicate, self.heard(process)), None), what, context=process.describe)

    def requests(self, hive):
        return hive.status()["totals"]["requests"]

    def test_sub_hears_the_news(self):
        with Broker(self.nng_worker(), workers=1) as hive:
            hive.wait_ready(1)
            with self.tool(hive, "sub", "news") as tool:
                self.wait_heard(tool, lambda command: command["cmd"] == "totals", "totals")
                self.assertEqual(hive.skep("call", "1", "shout", "y" * 70000, "--raw").code, 0)
                shout = self.wait_heard(tool, lambda command: command["cmd"] == "broadcast", "a broadcast")
                self.assertEqual((shout["from"], shout["name"], shout["data"]), (1, "shout", b"y" * 70000))
                numbers = [command["seq"] for command in self.heard(tool)]
                self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
            hive.stop()

    def test_req_asks(self):
        with Broker(self.nng_worker(), workers=2) as hive:
            hive.wait_ready(2)
            with self.tool(hive, "req", "control", frame=pack("status")) as tool:
                self.assertEqual(tool.wait_exit(), 0, tool.describe())
                answer = self.heard(tool)
            self.assertEqual((answer[0]["cmd"], answer[0]["pid"]), ("brokerStatus", hive.pid))
            self.assertEqual({worker["pid"] for worker in answer if worker["cmd"] == "workerStatus"},
                             set(hive.pids().values()))
            with self.tool(hive, "req", "control", frame=b"\xc1") as tool:
                self.assertEqual(tool.wait_exit(), 0, tool.describe())
                failed, = self.heard(tool)
            self.assertEqual((failed["cmd"], failed["status"]), ("failed", EPROTO))
            hive.stop()

    def test_push_counts(self):
        """A stranger's counts have an effect on the totals, and nothing else has."""
        with Broker(self.nng_worker(), workers=1) as hive:
            hive.wait_ready(1)
            frame = pack("incrementRequestCount", n=7) + pack("message", name="echo", to=1)
            with self.tool(hive, "push", "outbox", "--interval", "1", frame=frame) as tool:
                wait_until(lambda: self.requests(hive) >= 14, "two frames to count", context=tool.describe)
            totals = hive.status()["totals"]
            self.assertEqual((totals["requests"] % 7, totals["messages"], totals["bad_frames"]), (0, 0, 0))
            self.assertEqual(hive.status()["workers"][0]["requests"], 0)
            hive.stop()

    def test_pull_is_told_what_became_of_jobs(self):
        """Returns are for the process that has joined: one that submits, and becomes the tool."""
        count = 100
        with Broker(self.nng_worker(), workers=1) as hive:
            hive.wait_ready(1)
            process = Process([sys.executable, "-B", "-c", JOINS_AND_BECOMES, str(hive.folder), QUEUE, str(count),
                               *self.command(), "--pull", "--hex", "--connect"])
            results = {}

            def all_finished():
                for command in self.heard(process):
                    if command["cmd"] == "finished":
                        results.update(enumerate(command["results"], command["number"]))
                return len(results) == count
            try:
                wait_until(all_finished, "all results", context=lambda: hive.describe() + process.describe())
            finally:
                process.end()
            self.assertEqual(results, {number: b"z" * (number % 7 * 3000) for number in range(1, count + 1)})
            hive.stop()

    def test_pull_of_a_stranger(self):
        """Whoever is not the client that the returns are for is turned away, and that is said."""
        with Broker(self.nng_worker(), workers=1) as hive:
            hive.wait_ready(1)
            joined, = ask(hive, "join")
            with self.tool(hive, "pull", joined["returns"]):
                wait_until(lambda: "on the returns of client" in hive.output("err"), "a refusal", context=hive.describe)
            hive.stop()

    def test_of_another_protocol(self):
        """It is not heard, and nobody minds."""
        with Broker(self.nng_worker(), workers=1) as hive:
            hive.wait_ready(1)
            frame = pack("incrementRequestCount", n=1)
            with self.tool(hive, "pub", "outbox", "--interval", "1", frame=frame) as wrong:
                with self.tool(hive, "push", "outbox", "--interval", "1",
                               frame=pack("incrementRequestCount", n=100)) as right:
                    wait_until(lambda: self.requests(hive) >= 200, "those of the right one", context=right.describe)
                self.assertEqual(self.requests(hive) % 100, 0, wrong.describe())
            self.assertEqual(hive.status()["totals"]["bad_frames"], 0)
            hive.stop()


class OlderTool(Tool):
    """nanocat."""
    package = "nanomsg-utils"

    def command(self):
        path = shutil.which("nanocat")
        return path and [path]


def load_tests(loader, *_):
    return for_each_nng(loader, Tool, others=[OlderTool])


if __name__ == "__main__":
    unittest.main()
