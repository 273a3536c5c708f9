#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Jobs and messages both ways as fast as they go, while workers are killed and connections cut; then histories are
compared with what the documents promise.

    soak.py [SECONDS] [--kills N] [--cuts N] [--workers N]

Goes in rounds of 20 s: a client submits (programs/submitter.c), workers do (programs/job_worker.c), faults come; when
all has been answered and the queue is empty, the round is checked. Prints a line for each round, and one of JSON at the
end. Needs SKEP_BIN; SKEP_TRANSPORT=nng needs --cuts 0, since NNG's sockets do not stand that.
"""
import argparse
import collections
import contextlib
import gc
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import cutter
from faults import descriptors
from hive import DEADLINE_S, is_alive, wait_until
from jobs import DEADLINE_JOBS_S, LibraryClient, Workers, ask, dead_letters, queue_status
from ledger_check import repeats, violations

ROUND_S, WINDOW, REQUESTS = 20, 4000, 50
KEYS_IN_ROUND = 10**9
BOUNDLESS = 65535
OPTIONS = {"--lease": 2, "--attempts": BOUNDLESS, "--deaths": BOUNDLESS, "--stable": 0.1, "--failures": 4096,
           "--job-credit": 512, "--interval": 1}
CHANNELS = ("outbox", "inbox", "intake", "returns", "news", "control")
FROM_BROKER = ("inbox", "returns", "news")


class Faults:
    """Kills and cuts, so many a second, as long as run() is called again and again."""

    def __init__(self, hive, client, kills, cuts):
        self.hive, self.client = hive, client
        self.done = collections.Counter()
        now_s = time.monotonic()
        self._due = [[now_s + 1 / rate, 1 / rate, act]
                     for rate, act in ((kills, self.kill), (cuts, self.cut)) if rate > 0]

    def run(self, until_s):
        while (now_s := time.monotonic()) < until_s:
            for due in self._due:
                if due[0] <= now_s:
                    due[0] = now_s + due[1] * random.uniform(0.5, 1.5)
                    due[2]()
            time.sleep(0.01)

    def workers(self):
        return [worker["pid"] for worker in ask(self.hive, "status")
                if worker["cmd"] == "workerStatus" and worker["state"] == "ready"]

    def kill(self):
        pids = self.workers()
        if pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(random.choice(pids), signal.SIGKILL)
            self.done["kills"] += 1

    def cut(self):
        """Cuts one connection, at random with what is on its way. It may be gone before that."""
        channel, losing = random.choice(CHANNELS), random.random() < 0.5
        peer = self.client.pid if channel in ("intake", "returns", "control") else random.choice(self.workers() or [0])
        if channel == "news":
            peer = self.client.pid if peer == 0 else peer
        reader, other = (peer, self.hive.pid) if channel in FROM_BROKER else (self.hive.pid, peer)
        try:
            size = cutter.cut(reader, f"{self.hive.folder}/{channel}.", other, losing)
        except (LookupError, OSError):
            self.done["missed"] += 1
            return
        self.done[channel] += 1
        self.done["lost_bytes"] += size


def wait_empty(hive):
    """Until all that was submitted is done or a dead letter."""
    last = None

    def look():
        nonlocal last
        last = queue_status(hive, "q")
        return last is not None and last["ready"] == last["reserved"] == last["delayed"] == 0
    wait_until(look, "an empty queue", DEADLINE_JOBS_S, lambda: f"{last}\n{hive.describe()}")
    return last


def check(hive, client, before):
    """What is wrong with a round, which has ended; and what it was. before: the queue's status before it."""
    counted = client.result()
    status = wait_empty(hive)
    log, submitted = hive.log(), client.lines()
    worked = [line for line in log if not line.startswith("wrong ")]
    dead = [letter["id"] for letter in dead_letters(hive, "q")]
    found = [line for line in log if line.startswith("wrong ")] + violations(submitted, worked, dead=dead)
    outcomes = counted["done"] + counted["dead"] + counted["unknown"] + counted["declined"]
    if counted["wrong"] or counted["jobs"] != outcomes or counted["jobs"] != counted["accepted"] + counted["declined"]:
        found.append(f"the client counted {counted}")
    if status["submitted"] - before.get("submitted", 0) != counted["accepted"]:
        found.append(f"accepted {counted['accepted']}, in the ledger {status['submitted']} after {before}")
    if status["submitted"] != status["done"] + status["dead"]:
        found.append(f"the queue is empty, and of its jobs some are nowhere: {status}")
    counted["repeats"] = repeats(worked)
    return found, counted, status


def bad_frames(hive):
    return next(answer["badFrames"] for answer in ask(hive, "status") if answer["cmd"] == "brokerStatus")


def resident_kib(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0])


def soak(seconds, kills, cuts, count=4, round_s=ROUND_S, say=print):
    """All that was counted."""
    options = [str(word) for pair in OPTIONS.items() for word in pair]
    total, before, end_s = collections.Counter(), {}, time.monotonic() + seconds
    with Workers("--talk", "q:50", count=count, options=options) as hive:
        hive.wait_ready(count)
        while (left_s := end_s - time.monotonic()) > 0:
            os.truncate(hive.log_path, 0)
            with LibraryClient(hive, WINDOW, REQUESTS, first=total["rounds"] * KEYS_IN_ROUND + 1) as client:
                faults = Faults(hive, client, kills, cuts)
                faults.run(time.monotonic() + min(round_s, left_s))
                client.stop()
                found, counted, before = check(hive, client, before)
            total.update(counted)
            total.update(faults.done)
            total["rounds"] += 1
            say(f"round {total['rounds']}: {json.dumps(counted | faults.done)} "
                f"descriptors {descriptors(hive.pid)}, {resident_kib(hive.pid)} KiB", flush=True)
            if found:
                raise AssertionError("\n".join([f"{len(found)} violations", *found[:20], hive.describe()]))
            if not is_alive(hive.pid):
                raise AssertionError(hive.describe())
        total["bad_frames"] = bad_frames(hive)
        if total["bad_frames"]:
            raise AssertionError(f"{total['bad_frames']} malformed frames\n{hive.describe()}")
        hive.wait_ready(count, DEADLINE_S)
        hive.stop()
    return total


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", type=float, nargs="?", default=600)
    parser.add_argument("--kills", type=float, default=5, help="a second")
    parser.add_argument("--cuts", type=float, default=2, help="a second")
    parser.add_argument("--workers", type=int, default=4)
    options = parser.parse_args()
    gc.disable()  # half of the time that checking takes; nothing here is a cycle
    try:
        print(json.dumps(soak(options.seconds, options.kills, options.cuts, options.workers)))
    except AssertionError as error:
        sys.exit(f"soak: {error}")


if __name__ == "__main__":
    main()
