#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A worker in another language that does jobs, by docs/protocol.md.

    skep run -n 2 -- /usr/bin/python3 tests/clients/job_worker.py QUEUE

    sum N...      done; the result is the sum
    again         retried at its first attempt, then done; the result is the number of the attempt
    late MS       as again, so much later
    id            done; the result is the worker's id
    page          done; the result is what the page said meanwhile: begun and running, less the delivery's number
    leave         done; then the worker leaves voluntarily and gives back what it has not begun
    crash         the worker kills itself
    anything else fails: there is no such thing to do
"""
import collections
import os
import signal
import sys

from wire import Page, pack
from worker import Rejected, Worker

Job = collections.namedtuple("Job", "delivery id attempt redelivered payload")


class JobWorker(Worker):
    def __init__(self, queue, name=None):
        self.held, self.ends_due = collections.deque(), None
        super().__init__(name)
        self.page.write(Page.WRITES, 1)
        self.link.send(pack("handle", queue=queue))

    def on_jobs(self, command):
        for offset, payload in enumerate(command["jobs"]):
            self.held.append(Job(command["delivery"] + offset, command["id"] + offset, command.get("attempt", 1),
                                 command.get("redelivered", False), payload))

    def report(self):
        """At the end of each turn: does what has come, or gives it back. What comes after this worker has left goes
        back by itself."""
        if self.left:
            return
        while self.held and not self.draining:
            self.begin(self.held.popleft())
        self.give_back()
        super().report()

    def give_back(self):
        for job in self.held:
            self.outbox.send(pack("released", delivery=job.delivery))
        self.held.clear()

    def begin(self, job):
        self.page.write(Page.BEGUN, job.delivery)
        self.page.write(Page.RUNNING, job.delivery)
        verb, *words = job.payload.decode().split()
        act = getattr(self, "job_" + verb, None)
        answer = act(job, words) if act else pack("fail", delivery=job.delivery, reason=f"no such thing to do: {verb}")
        self.page.write(Page.RUNNING, 0)
        self.outbox.send(answer)

    def completed(self, job, result):
        return pack("completed", delivery=job.delivery, results=[str(result).encode()])

    def job_sum(self, job, words):
        return self.completed(job, sum(map(int, words)))

    def job_again(self, job, words):
        if job.attempt > 1:
            return self.completed(job, f"attempt {job.attempt}, {'' if job.redelivered else 'not '}redelivered")
        return pack("retry", delivery=job.delivery, delay_ms=int(words[0]) if words else None, reason="once more")

    job_late = job_again

    def job_id(self, job, _):
        return self.completed(job, self.id)

    def job_page(self, job, _):
        return self.completed(job, [self.page.read(at) - job.delivery for at in (Page.BEGUN, Page.RUNNING)])

    def job_leave(self, job, _):
        self.link.send(pack("disconnect"))
        self.drain()
        return self.completed(job, "leaving")

    def job_crash(self, *_):
        os.kill(os.getpid(), signal.SIGKILL)

    def leave(self):
        """Not before the broker has read all answers: it reads the outbox in order, and this question comes last."""
        if self.ends_due is None:
            self.ends_due = 1 if self.repairing else 0
            self.ask_for_end()

    def ask_for_end(self):
        self.ends_due += 1
        self.outbox.send(pack("newsSince", seq=2 ** 63))

    def on_newsEnd(self, command):
        super().on_newsEnd(command)
        if self.ends_due is None:
            return
        self.ends_due -= 1
        if self.ends_due == 0 and self.held:  # they came meanwhile
            self.give_back()
            self.ask_for_end()
        elif self.ends_due == 0:
            super().leave()


def main():
    worker = JobWorker(sys.argv[1])
    worker.ready()
    worker.run()


if __name__ == "__main__":
    main()
