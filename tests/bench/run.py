# SPDX-License-Identifier: MIT
"""Measures Skep beside its peers on this machine, in one run, and writes what it found: ./dev bench [NAME...]"""
import argparse
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import http_load
import jobs
import keeper
import messages
import reload
import workers
from processes import PATH, Failure
from quiet import Quiet
from report import table, write
from versus import versus

SOURCE = Path(__file__).resolve().parent
ROOT = SOURCE.parent.parent

BENCHES = {
    "fresh-round-robin": http_load.fresh_round_robin,
    "fresh-shared": http_load.fresh_shared,
    "keep-alive": http_load.keep_alive,
    "one-way": messages.one_way,
    "round-trip": messages.round_trip,
    "replacement": workers.replacement,
    "idle-200": workers.idle,
    "start-1000": workers.starting,
    "reload": reload.rolling,
    "jobs-64": jobs.jobs_64,
    "jobs-4k": jobs.jobs_4k,
    "jobs-64k": jobs.jobs_64k,
    "durable-64": jobs.durable_64,
    "nats-64": jobs.nats_64,
    "durable-one": jobs.durable_one,
    "durable-backlog": jobs.durable_backlog,
    "job-result": jobs.job_result,
    "job-workers": jobs.job_workers,
    "job-backlog": jobs.job_backlog,
    "job-slow": jobs.job_slow,
    "status-1000": keeper.status_1000,
    "crowd-500": keeper.crowded,
    "watched": keeper.watched,
}


class Hall:
    """Where the benches find programs, folders and how long to measure."""

    def __init__(self, options, folder, quiet, build, runs):
        self.quiet = quiet
        self.source, self.folder, self.build = SOURCE, folder, build.resolve()
        self.runs, self.seconds, self.kills = runs, options.seconds, options.kills
        self.idle_seconds, self.rounds = options.idle_seconds, options.rounds
        self.skep, self.hello = self.build / "bin/skep", self.build / "bin/hello"
        self.folders, self.said = 0, set()
        for program in (self.skep, self.hello):
            if not program.exists():
                raise Failure(f"{program} is not there: ./dev build")

    def program(self, name):
        path = self.build / "tests/bench" / name
        if not path.exists():
            raise Failure(f"{path} is not there: ./dev build")
        return path

    def peer(self, name, needs):
        """A program that is only built where its library is installed; None elsewhere."""
        path = self.build / "tests/bench" / name
        return path if path.exists() else self.skip(needs)

    def which(self, name):
        return shutil.which(name, path=PATH) or self.skip(name)

    def skip(self, name):
        if name not in self.said:
            print(f"{name} is not installed, and skipped; ./dev setup --peers installs it", flush=True)
        self.said.add(name)

    def fresh_folder(self, name):
        self.folders += 1
        folder = self.folder / f"{name}-{self.folders}"
        folder.mkdir(0o700)
        return folder


def parse(arguments):
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of: " + ", ".join(BENCHES) + "; all")
    parser.add_argument("--runs", type=int, default=5, help="interleaved repeats; 5")
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement; 3")
    parser.add_argument("--kills", type=int, default=50, help="of workers, over all runs; 50")
    parser.add_argument("--rounds", type=int, default=200, help="of reloading, under each kind of load; 200")
    parser.add_argument("--idle-seconds", type=float, default=10, help="over which idle workers are watched; 10")
    parser.add_argument("--patience", type=float, default=5, metavar="S",
                        help="to wait before each measurement until nobody else is busy; 5")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release", help="folder of the build; build/release")
    parser.add_argument("--vs", type=Path, metavar="BUILD",
                        help="another build, beside which this one is measured instead of beside peers")
    parser.add_argument("--output", type=Path, default=ROOT / "build/bench.jsonl", help="build/bench.jsonl")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in BENCHES]
    if unknown:
        parser.error(f"no bench of that name: {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    if options.runs < 1 or options.seconds <= 0 or options.kills < 2 or options.idle_seconds <= 0 \
            or options.rounds < 1:
        parser.error("runs, seconds, kills, rounds and idle-seconds must be more than nothing")
    options.seconds = int(options.seconds) if options.seconds >= 1 else options.seconds
    return options


def measure_one(bench, options, folder, quiet):
    if options.vs is None:
        return bench(Hall(options, folder, quiet, options.build, options.runs))

    def hall(build):
        return Hall(options, Path(tempfile.mkdtemp(dir=folder)), quiet, build, 1)
    return versus(bench, (lambda: hall(options.build), lambda: hall(options.vs)), options.runs)


def measure(options, quiet):
    """Rows of all benches that were asked for, and whether each could be measured."""
    rows, good = [], True
    for name in options.names or BENCHES:
        print(f"{name} ...", flush=True)
        with tempfile.TemporaryDirectory(prefix="skep-bench-") as folder:
            try:
                rows += measure_one(BENCHES[name], options, Path(folder), quiet)
            except Failure as failure:
                print(f"{name} could not be measured: {failure}", file=sys.stderr, flush=True)
                good = False
    return rows, good


def main():
    options = parse(sys.argv[1:])
    quiet = Quiet(options.patience)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.2f}; medians of {options.runs} interleaved runs of "
          f"{options.seconds:g} s", flush=True)
    try:
        rows, good = measure(options, quiet)
    except KeyboardInterrupt:
        return 130
    write(rows, options.output)
    print("\n" + table(rows))
    print(f"\nload {os.getloadavg()[0]:.2f}; {quiet.told()}; written to {options.output}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
