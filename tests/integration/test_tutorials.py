# SPDX-License-Identifier: MIT
"""The tutorials of docs/, followed to the letter: their files are written, their commands are run, in their order, with an
installed Skep, and what they show is compared with what comes.

A block of C follows a line with nothing but the file's name; a name with a slash is that of a file of the project, which must
hold the block. In a block of console a line that begins with "$ " is a command, and what follows is what it prints; a line of
dots stands for any more lines."""
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

import hive
from test_job_programs import png, size_of
from test_readme import BIN, SOURCE, sanitizers

BLOCK = re.compile(r"^(?:`([^`\n]+)`\n)?```(\w+)\n(.*?)^```$", re.S | re.M)
SERVERS = re.compile(r"skep run |pipeline ")  # what stays in a terminal of its own
QUESTIONS = re.compile(r"skep (status|queues|peek|dead list)\b")  # asked again until the answer is the page's
DEADLINE_S = max(60, hive.DEADLINE_S)
END = "--- end of the command ---"


def blocks(page):
    return BLOCK.findall((SOURCE / "docs" / page).read_text(encoding="utf-8"))


def commands(text):
    """The commands of a console block with the lines that each prints."""
    found = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


# --- what differs from run to run ---


def comparable(command, line):
    if command.startswith("skep status"):
        line = re.sub(r"^( *(WORKER .* JOBS|\d+ .* MB +\d+ +\d+ +\S+)).*", r"\1", line)  # with P50 if one has done some
        line = re.sub(r"\b\d+[dhm] (?=\d+[hms]\b)", "", line)          # an age of two words
        line = re.sub(r"\b\d[\d.,]*(k|M)?( ?[num]?s\b)?", "N", line)   # numbers, with a unit of time or none
    line = re.sub(r"\b\d+ pid \d+", "N pid N", line)              # who worked last
    line = re.sub(r"\b\d+(\.\d+)?(?= ?(s|ms|MB)\b)", "N", line)   # durations, sizes
    line = re.sub(r"\b\d+-\d+-\d+T[\d:.]+Z", "TIME", line)
    line = re.sub(r"from worker \d+", "from worker N", line)
    line = re.sub(r"\S*/skep/", "DIR/", line)
    line = line.replace("[==========] tests: ", "[==========] ")  # CMocka 1.1.7 names the group
    words = line.split()
    if command.startswith("skep queues"):
        words = words[:7]                                         # up to DONE; the rest are rates
    return " ".join(words)


def is_as_shown(command, shown, come):
    shown, come = ([comparable(command, line) for line in lines if line.strip()] for lines in (shown, come))
    if "..." in shown:
        shown = shown[:shown.index("...")]
        come = come[:len(shown)]
    if command.startswith("skep queues"):
        shown, come = sorted(shown), sorted(come)                 # they stand in the order in which they were named
    return shown == come


class Shell:
    """A bash that is told one command after the other, as at a terminal: its input is there and says nothing."""

    def __init__(self, folder, env):
        script_end, self._script = os.pipe()
        self.input_end, silent = os.pipe()
        self.process = subprocess.Popen(["bash", f"/dev/fd/{script_end}"], cwd=folder, env=env, stdin=self.input_end,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=[script_end],
                                        start_new_session=True)
        self._silent = silent
        os.close(script_end)

    def run(self, command):
        """The lines that it prints."""
        os.write(self._script, f"{command}\necho; echo {shlex.quote(END)}\n".encode())
        lines, limit = [], threading.Timer(DEADLINE_S, self._kill)
        limit.start()
        try:
            for line in self.process.stdout:
                lines.append(line.decode(errors="replace").rstrip("\n"))
                if lines[-1] == END:
                    return lines[:-1]
        finally:
            limit.cancel()
        raise AssertionError(f"after {DEADLINE_S:g} s, or because the shell ended, no end of {command}\n" + "\n".join(lines))

    def _kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def end(self):
        for fd in (self._script, self._silent, self.input_end):
            os.close(fd)
        self._kill()
        self.process.wait()
        self.process.stdout.close()


class Tutorial(unittest.TestCase):
    REPLACED = ()  # what the page says, and what the test does instead

    @classmethod
    def setUpClass(cls):
        cls.prefix = Path(tempfile.mkdtemp(prefix="skep-prefix-"))
        cls.addClassCleanup(shutil.rmtree, cls.prefix)
        subprocess.run(["cmake", "--install", str(BIN.parent), "--prefix", str(cls.prefix)], check=True,
                       stdout=subprocess.DEVNULL)

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="skep-tutorial-", dir="/tmp")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name, "work")
        self.folder.mkdir()
        self.servers = []
        self.background = []  # lines of what runs beside the shell
        self.write_compiler(Path(folder.name, "bin"))
        Path(folder.name, "run").mkdir(mode=0o700)
        pkgconfig = next(self.prefix.rglob("pkgconfig"))
        self.env = {**os.environ, "PATH": f"{folder.name}/bin:{self.prefix}/bin:{BIN.resolve()}:{os.environ['PATH']}",
                    "PKG_CONFIG_PATH": str(pkgconfig), "LD_LIBRARY_PATH": str(pkgconfig.parent),
                    "XDG_RUNTIME_DIR": f"{folder.name}/run"}
        self.env.pop("SKEP_DIR", None)
        self.shell = Shell(self.folder, self.env)
        self.addCleanup(self.shell.end)

    def write_compiler(self, folder):
        """A cc that is strict, and makes programs that fit to the library."""
        folder.mkdir()
        compiler = folder / "cc"
        flags = ["-std=gnu17", "-Wall", "-Wextra", "-Werror", *sanitizers()]
        compiler.write_text(f'#!/bin/sh\nexec /usr/bin/cc {" ".join(flags)} "$@"\n')
        compiler.chmod(0o755)

    # --- following a page ---

    def follow(self, page):
        for name, language, text in blocks(page):
            self.take(name, language, self.replaced(text))

    def replaced(self, text):
        for said, meant in self.REPLACED:
            text = text.replace(said, meant)
        return text

    def take(self, name, language, text):
        if language == "c" and "/" in name:
            self.assertIn(text, (SOURCE / name).read_text(encoding="utf-8"), f"{name} no longer holds what the page shows")
        elif language == "c":
            self.assertTrue(name, f"a program without the name of its file:\n{text}")
            (self.folder / name).write_text(text, encoding="utf-8")
        elif language == "console":
            for command, shown in commands(text):
                self.do(command, shown)
        else:
            self.take_other(language, text)

    def take_other(self, language, text):
        self.fail(f"a block of {language} that no test follows:\n{text}")

    def do(self, command, shown):
        if SERVERS.match(command):
            self.serve(command, shown)
            return
        come = self.shell.run(command)
        if command.endswith("&") or (self.background and command != "wait"):  # its lines come at any moment until it ends
            self.background = self.background + come or [""]
            return
        come, self.background = self.background + come, []
        if QUESTIONS.match(command) and not is_as_shown(command, shown, come):
            come = hive.wait_until(lambda: self.answer(command, shown), f"{command} to print\n" + "\n".join(shown),
                                   DEADLINE_S, lambda: "\n".join(self.shell.run(command)))
        self.assertTrue(is_as_shown(command, shown, come),
                        "\n".join([f"$ {command}", *shown, "--- the page shows that; this came: ---", *come]))

    def answer(self, command, shown):
        come = self.shell.run(command)
        return come if is_as_shown(command, shown, come) else None

    def serve(self, command, shown):
        server = hive.Process(["bash", "-c", f"exec {command}"], env=self.env, cwd=self.folder)
        self.addCleanup(server.end)
        self.servers.append(server)
        for line in shown:
            server.wait_line("^" + re.escape(line.partition("/")[0]), DEADLINE_S)
        name = "pipeline" if command.startswith("pipeline") else "default"
        hive.wait_until(lambda: self.is_ready(name), f"{command} to be ready", DEADLINE_S, server.describe)

    def is_ready(self, name):
        """Whether all its workers are."""
        said = self.shell.run(f"skep status --json --name {name}")[0]
        workers = json.loads(said)["workers"] if said.startswith("{") else []
        return workers and all(worker["state"] == "ready" for worker in workers)

    def assert_ended(self):
        """Each server has ended well, as the page told it to."""
        for server in self.servers:
            self.assertEqual(server.wait_exit(), 0, server.describe())
            self.assertIsNone(hive.SANITIZER.search(server.output()), server.describe())


class FirstHandler(Tutorial):
    PAGE = "first-handler.md"
    JOBS = 200000
    REPLACED = (("7000", str(hive.free_port())), ("1000000", str(JOBS)), ("1000002", str(JOBS + 2)), ("sleep 1;", "sleep 0.2;"))

    def test_page(self):
        (self.folder / "cat.png").write_bytes(png(300, 200))
        self.follow(self.PAGE)
        self.assertEqual(len(self.servers), 2)
        self.assert_ended()
        self.assertGreaterEqual(self.servers[0].count("killed by SIGKILL"), 5)
        self.assertEqual(size_of((self.folder / "small-cat.png").read_bytes()), (128, 85))


class TestYourHandler(Tutorial):
    PAGE = "test-your-handler.md"

    def setUp(self):
        super().setUp()
        for name, language, text in blocks(FirstHandler.PAGE):
            if language == "c" and "/" not in name:
                self.take(name, language, text)
        self.shell.run("cc first.c lines.c -o first $(pkg-config --cflags --libs skep)")

    def take_other(self, language, text):
        """CMake: what the page shows, in a project."""
        self.assertEqual(language, "cmake")
        project = "cmake_minimum_required(VERSION 3.25)\nproject(counter LANGUAGES C)\nenable_testing()\n"
        flags = " ".join(sanitizers())
        (self.folder / "CMakeLists.txt").write_text(project + text)
        come = self.shell.run(f"cmake -S . -B cmake -DCMAKE_PREFIX_PATH={self.prefix} -DCMAKE_C_FLAGS='{flags}' &&"
                              " cmake --build cmake && ctest --test-dir cmake")
        self.assertTrue(any("100% tests passed" in line for line in come), "\n".join(come))

    def test_page(self):
        self.follow(self.PAGE)

    def test_each_break_of_the_handler_is_found(self):
        """And told in words that name what was expected."""
        for name, language, text in blocks(self.PAGE):
            if name == "test_lines.c":
                self.take(name, language, text)
        for broken, expected in (("s/SKEP_DONE : SKEP_RETRY/SKEP_RETRY : SKEP_DONE/", 'expected within .*: job 1 done, the result "3"'),
                                 ("s/SKEP_FAILED/SKEP_RETRY/", "expected within .*: job 2 .*Is a directory"),
                                 ("s/delay(job, 1000)/delay(job, 999)/", "expected within .*: job 3 .*1000"),
                                 ("s/strerror(error)/\"?\"/", "expected within .*: job 2 .*Is a directory")):
            self.assertEqual(self.shell.run(f"sed '{broken}' lines.c > broken.c; cmp -s lines.c broken.c && echo same"), [""])
            come = self.shell.run("cc test_lines.c broken.c -o broken $(pkg-config --cflags --libs skep-mock) && ./broken; echo $?")
            self.assertEqual(come[-2], "1", come)
            self.assertRegex("\n".join(come), expected)


if __name__ == "__main__":
    unittest.main()
