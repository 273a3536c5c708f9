# SPDX-License-Identifier: MIT
"""Waits until nobody else uses the machine, for a while: what others do is the largest error of a benchmark."""
import threading
import time
from pathlib import Path

LOOK_S = 0.25
BUSY = 0.15  # share of all processors


def ticks():
    """Ticks of all processors since the start: idle ones, all."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return fields[3] + fields[4], sum(fields)


class Quiet:
    def __init__(self, patience_s):
        self.patience_s, self.waited_s, self.given_up = patience_s, 0.0, 0

    def wait(self):
        begin = time.monotonic()
        while self.busy() > BUSY:
            if time.monotonic() - begin > self.patience_s:
                self.given_up += 1
                break
        self.waited_s += time.monotonic() - begin

    @staticmethod
    def busy():
        idle, total = ticks()
        threading.Event().wait(LOOK_S)
        idle_later, total_later = ticks()
        return 1 - (idle_later - idle) / max(1, total_later - total)

    def told(self):
        return f"measured {self.given_up} times though others were busy" if self.given_up else "nobody else was busy"
