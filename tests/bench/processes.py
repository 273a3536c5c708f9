# SPDX-License-Identifier: MIT
"""Programs that a benchmark starts: each in a process group of its own, ended with it, whatever happens. Not in a
session of its own: Linux shares the processor out between sessions (sched_autogroup), which is not
what is to be measured; docs/benchmarks.md says what difference it makes."""
import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

DEADLINE_S = 30
POLL_S = 0.05
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


OVER_NNG = ("/usr/bin/env", "SKEP_TRANSPORT=nng")  # before a program of Skep's: with NNG's sockets


class Failure(Exception):
    """A program did not do what it was started for; the text says which and what it printed."""


def end(process, deadline_s=5):
    """SIGTERM to the program; SIGKILL to what is left of its group. Skep's workers leave when their broker does."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.terminate()
        process.wait(deadline_s)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def environment():
    """Nothing of what a user has set for Skep may change a figure."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("SKEP_", "NODE_"))}


class Server:
    """A program that runs until the `with` block ends; its output goes to a file."""

    def __init__(self, name, argv, folder):
        self.name, self.argv, self.log = name, [str(part) for part in argv], folder / f"{name}.log"

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            process_group=0, env=environment())
        return self

    def __exit__(self, *_):
        end(self.process)

    def still_runs(self, seconds):
        """Lets time pass; fails if the program ends meanwhile."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
            self.fail(f"ended with status {self.process.returncode}")

    def wait_until(self, condition, what):
        """Returns the first true value of condition()."""
        deadline = time.monotonic() + DEADLINE_S
        while not (value := condition()):
            if time.monotonic() > deadline:
                self.fail(f"after {DEADLINE_S} s still waiting for {what}")
            self.still_runs(POLL_S)
        return value

    def fail(self, why):
        last = self.log.read_text(errors="replace").splitlines()[-10:]
        raise Failure("\n  ".join([f"{self.name}: {why}", *last]))


def run(argv, deadline_s):
    """Output of a program that ends by itself with status 0."""
    argv = [str(part) for part in argv]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               process_group=0, env=environment(), text=True)
    try:
        output, errors = process.communicate(timeout=deadline_s)
    except subprocess.TimeoutExpired:
        raise Failure(f"{argv[0]}: no result after {deadline_s:g} s") from None
    finally:
        end(process)
    if process.returncode != 0:
        raise Failure(f"{argv[0]}: status {process.returncode}\n  {errors.strip()[-1000:]}")
    return output


def result(argv, deadline_s):
    """The object that a program prints in its last line, with a figure among what it says."""
    output = run(argv, deadline_s)
    try:
        last = json.loads(output.splitlines()[-1])
        return last | {"figure": float(last["figure"])}
    except (IndexError, ValueError, KeyError, TypeError):
        raise Failure(f"{argv[0]}: no figure in {output!r}") from None


def figure(argv, deadline_s):
    """The figure that a program prints in its last line."""
    return result(argv, deadline_s)["figure"]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(address):
    """Whether somebody accepts connections on a port, or on a Unix socket's path."""
    try:
        if isinstance(address, int):
            socket.create_connection(("127.0.0.1", address), 1).close()
        else:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(address))
    except OSError:
        return False
    return True


def cpu_ns(pid):
    """Processor time of all threads, as the scheduler counts it: ticks of 10 ms would be too coarse."""
    return sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def cpu_percent(server, seconds):
    """The share of one processor that a program takes while nothing else is asked of it."""
    before_ns, begin_ns = cpu_ns(server.process.pid), time.monotonic_ns()
    if before_ns == 0:
        raise Failure("this kernel does not count processor time in schedstat")
    server.still_runs(seconds)
    return 100 * (cpu_ns(server.process.pid) - before_ns) / (time.monotonic_ns() - begin_ns)
