# SPDX-License-Identifier: MIT
"""The handlers of the README, compiled as they stand and run under `skep run`."""
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import unittest

import hive

SOURCE = pathlib.Path(os.environ["SKEP_SOURCE"])
README = SOURCE / "README.md"
BIN = pathlib.Path(os.environ["SKEP_BIN"])
URL = "tcp://127.0.0.1:7000"


def source():
    return re.search(r"```c\n(.*?)```", README.read_text(encoding="utf-8"), re.S).group(1)


def sanitizers():
    """Those that the library was built with: a program must be built with the same."""
    symbols = subprocess.run(["nm", "-D", str(BIN / "../lib/libskep.so")], capture_output=True, text=True, check=True)
    return ["-fsanitize=address,undefined"] if "__asan_init" in symbols.stdout else []


def compile_program(folder, text):
    file, program = pathlib.Path(folder, "greet.c"), pathlib.Path(folder, "greet")
    file.write_text(text, encoding="utf-8")
    command = ["cc", "-Wall", "-Wextra", "-Werror", *sanitizers(), str(file), "-o", str(program)]
    command += [f"-I{SOURCE}/lib/include", f"-I{SOURCE}/proto/include"]
    command += [f"-L{BIN}/../lib", f"-Wl,-rpath,{BIN}/../lib", "-lskep", "-luv"]
    subprocess.run(command, check=True)
    return str(program)


class ReadmeTest(unittest.TestCase):
    def test_handlers_run_as_written(self):
        self.assertIn(URL, source())
        with tempfile.TemporaryDirectory() as folder:
            program = compile_program(folder, source().replace(URL, "web"))
            with hive.Hive(program, workers=2, listen=["web=tcp://127.0.0.1:0"]) as broker:
                broker.wait_ready()
                answers = {self.ask(broker.url) for _ in range(4)}
                self.assertEqual(answers, {"Hello from worker 1\n", "Hello from worker 2\n"})
                broker.wait_status(lambda s: s["totals"]["requests"] == 4 and s["totals"]["connections"] == 0)
                done = broker.skep("submit", "--wait", "shout", "is anybody there?")
                self.assertEqual((done.code, done.output()), (0, "IS ANYBODY THERE?"))
                self.assertIn(f'"is anybody there?"\n{done.output()}\n', README.read_text(encoding="utf-8"))
                broker.stop()

    def test_without_a_broker_it_says_what_to_do(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([compile_program(folder, source())], capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stdout), (69, ""))
            self.assertRegex(done.stderr, r"\Agreet: this process was not started by a broker; .* skep run -- .*\n\Z")

    def test_if_it_cannot_listen_the_broker_stops_and_says_why(self):
        with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as taken:
            url = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
            with hive.Hive(compile_program(folder, source().replace(URL, url)), workers=2) as broker:
                self.assertEqual(broker.wait_exit(), 78)
                self.assertRegex(broker.output(), rf"greet: {url}: .*already")

    @staticmethod
    def ask(url):
        with hive.connect(url) as connection:
            return connection.makefile().read()


if __name__ == "__main__":
    unittest.main()
