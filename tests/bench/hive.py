# SPDX-License-Identifier: MIT
"""A broker with its workers, by way of `skep run`, ready to be measured."""
import json
import subprocess
from pathlib import Path

from processes import Failure, Server, environment, run


class Hive(Server):
    def __init__(self, hall, name, workers, policy, program, options=(), prefix=()):
        self.skep, self.workers, self.dir, self.port = hall.skep, workers, hall.folder / name, None
        super().__init__(name, [*prefix, hall.skep, "run", "-n", workers, "--policy", policy, "--dir", self.dir, *options, "--",
                                *program], hall.folder)

    def __enter__(self):
        super().__enter__()
        try:
            listeners = self.wait_until(self.ready, f"{self.workers} workers that are ready")["listeners"]
        except BaseException:
            self.__exit__()
            raise
        if listeners:
            self.port = int(listeners[0]["url"].rpartition(":")[2])
        return self

    @property
    def pid(self):
        return self.process.pid

    def status(self):
        """What `skep status --json` says; None as long as there is no broker."""
        result = subprocess.run([self.skep, "status", "--json", "--dir", self.dir], capture_output=True, text=True,
                                timeout=10, check=False, env=environment())
        if result.returncode != 0:
            return None
        try:
            return json.loads(result.stdout)
        except ValueError:
            raise Failure(f"{self.name}: status is not JSON: {result.stdout!r}") from None

    def done(self, queue):
        """How many jobs of a queue are done."""
        output = run([self.skep, "queues", "--json", "--dir", self.dir], 30)
        return sum(one["done"] for one in json.loads(output)["queues"] if one["name"] == queue)

    def resident_bytes(self):
        text = Path(f"/proc/{self.pid}/status").read_text()
        return 1024 * int(text.partition("VmRSS:")[2].split()[0])

    def ready(self):
        """The status, once every worker is ready: those that listen do so before they say that they are."""
        status = self.status()
        if status is None:
            return None
        ready = [worker for worker in status["workers"] if worker["state"] == "ready"]
        return status if len(ready) == self.workers else None
