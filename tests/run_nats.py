# SPDX-License-Identifier: MIT
"""Two brokers that share their jobs by a server of NATS, as `./dev run --nats` starts them, on free ports and in
directories of their own; jobs are submitted at one and the other until Ctrl-C. run_nats.py BIN [--check]: the latter
ends when both have done some."""
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "integration"))
from hive import Hive, wait_until  # noqa: E402
from nats import PROGRAM, NatsServer  # noqa: E402

JOBS, PAUSE_S, ROUNDS = 1000, 1, 2


def submit(hive):
    """JOBS jobs at one broker, whose results it tells, whoever does them."""
    lines = "".join(f"job {number}\n" for number in range(JOBS))
    argv = [str(Path(os.environ["SKEP_BIN"], "skep")), "submit", "--dir", hive.folder, "--wait", "--lines", "-", "sha256"]
    done = subprocess.run(argv, input=lines, capture_output=True, text=True, check=False)
    if done.returncode != 0 or len(done.stdout.splitlines()) != JOBS:
        raise SystemExit(f"submit ended with {done.returncode}: {done.stderr}")
    return done.stderr.strip()


def done_by(hive):
    queues = json.loads(hive.skep("queues", "--json").output("out"))
    return sum(queue["done"] for queue in queues["queues"])


def show(server, hives, rounds):
    print(f"{server.url}: a server of NATS, and two brokers:")
    for hive in hives:
        print(f"    {os.environ['SKEP_BIN']}/skep top --dir {hive.folder}")
    print("Ctrl-C ends all.", flush=True)
    number = 0
    while rounds is None or number < rounds:
        said = submit(hives[number % 2])
        counts = [done_by(hive) for hive in hives]
        print(f"at broker {number % 2 + 1}: {said}; done so far by the brokers: {counts[0]} and {counts[1]}", flush=True)
        number += 1
        if rounds is None:
            time.sleep(PAUSE_S)
    if min(counts) == 0 or sum(counts) != rounds * JOBS:
        raise SystemExit(f"run --nats: the brokers have done {counts} of {rounds * JOBS} jobs")


def main(folder, check):
    os.environ["SKEP_BIN"] = folder
    if PROGRAM is None:
        raise SystemExit("run --nats: nats-server is not installed: ./dev setup installs it")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(NatsServer())
        hives = [stack.enter_context(Hive("jobs", options=["--jobs", server.url])) for _ in range(2)]
        for hive in hives:
            wait_until(hive.try_status, "a broker", context=hive.describe)
            hive.wait_ready(2)
        with contextlib.suppress(KeyboardInterrupt):
            show(server, hives, ROUNDS if check else None)


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()), "--check" in sys.argv[2:])
