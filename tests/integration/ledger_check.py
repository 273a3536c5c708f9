# SPDX-License-Identifier: MIT
"""The checker of fault tests: what submitters were told against what workers did.

A submitter writes, by a key of its own that is also the first word of the job's payload,

    invoke KEY            before it submits
    ok KEY ID             the job was accepted; ID 0: it is there, and it was not told as which
    outcome KEY STATUS    what it was told at the end, which says nothing that the others do not
    fail KEY              it was declined
    unknown KEY           nobody said

and a worker, with the job's id,

    start KEY ID ATTEMPT REDELIVERED ...    before it does anything (REDELIVERED is 0 or 1)
    done KEY ID ATTEMPT ...                 before it says so to the broker

Then: each acknowledged submission is done, a dead letter, or still queued; a job that ran again was marked redelivered
and had a higher attempt; nothing ran that was not submitted. A submission without an answer may go either way.
"""
import collections

Start = collections.namedtuple("Start", "key id attempt redelivered")


class Submissions:
    """What the submitters asked for and were told."""

    def __init__(self, lines):
        self.invoked, self.ids, self.failed, self.unknown = set(), {}, set(), set()
        for verb, key, *rest in map(str.split, lines):
            if verb == "invoke":
                self.invoked.add(key)
            elif verb == "ok":
                self.ids[key] = int(rest[0])
            elif verb == "fail":
                self.failed.add(key)
            elif verb == "unknown":
                self.unknown.add(key)
            elif verb == "outcome":
                continue
            else:
                raise ValueError(f"a submitter's line that begins with {verb}")


class Work:
    """What the workers did, in the order of their lines."""

    def __init__(self, lines):
        self.starts, self.done = collections.defaultdict(list), set()
        for verb, key, job, attempt, *rest in map(str.split, lines):
            if verb == "start":
                self.starts[int(job)].append(Start(key, int(job), int(attempt), rest[0] == "1"))
            elif verb == "done":
                self.done.add((key, int(job), int(attempt)))
            else:
                raise ValueError(f"a worker's line that begins with {verb}")

    def done_ids(self):
        return {job for _, job, _ in self.done}

    def done_keys(self):
        return {key for key, _, _ in self.done}


def lost(submissions, work, dead, queued):
    """Acknowledged, and nowhere."""
    there, keys = work.done_ids() | set(dead) | set(queued), work.done_keys()
    return [f"lost: job {job} (key {key}) was accepted and is neither done nor dead nor queued"
            for key, job in submissions.ids.items() if (key not in keys if job == 0 else job not in there)]


def lives(starts, revived):
    """The starts of a job; those of one that was revived in parts, each of which begins as if it were new."""
    parts = [[]]
    for start in starts:
        if revived and parts[-1] and start.attempt == 1 and not start.redelivered:
            parts.append([])
        parts[-1].append(start)
    return parts


def unmarked(work, revived=()):
    """Run again without saying so. Attempts need not begin in their order: a worker may have stood still meanwhile."""
    found = []
    for job, starts in work.starts.items():
        if len(starts) == 1:
            continue
        for life in lives(starts, job in revived):
            life.sort(key=lambda start: (start.attempt, start.redelivered))
            for before, again in zip(life, life[1:]):
                if not again.redelivered:
                    found.append(f"unmarked: job {job} (key {again.key}) ran again and was not marked redelivered")
                if again.attempt == before.attempt:
                    found.append(f"attempt: job {job} (key {again.key}) ran twice as attempt {again.attempt}")
    return found


def unsubmitted(submissions, work):
    """Run, and nobody had asked for it, or not for that."""
    found, jobs = [], dict(submissions.ids)
    for job, starts in work.starts.items():
        for key in {start.key for start in starts}:
            accepted = jobs[key] = jobs.get(key) or job
            if key not in submissions.invoked:
                found.append(f"unsubmitted: job {job} ran with key {key}, which nobody submitted")
            elif key in submissions.failed:
                found.append(f"declined: job {job} (key {key}) ran although it was declined")
            elif accepted != job:
                found.append(f"twice: key {key} was accepted as job {accepted} and ran as job {job}")
    return found


def unstarted(work):
    """Done, and never begun."""
    begun = {(start.key, start.id, start.attempt) for starts in work.starts.values() for start in starts}
    return [f"unstarted: job {job} (key {key}), attempt {attempt}, was done without a start"
            for key, job, attempt in sorted(work.done - begun)]


def violations(submitted, worked, dead=(), queued=(), revived=()):
    """All that is wrong, one line each. dead, queued: ids of dead letters, and of jobs that wait; revived: of those
    that were dead letters and were put back."""
    submissions, work = Submissions(submitted), Work(worked)
    return (lost(submissions, work, dead, queued) + unmarked(work, set(revived)) + unsubmitted(submissions, work)
            + unstarted(work))


def repeats(worked):
    """How often a job was begun again."""
    jobs = [line.split(None, 3)[2] for line in worked if line.startswith("start ")]
    return len(jobs) - len(set(jobs))
