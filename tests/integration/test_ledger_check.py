# SPDX-License-Identifier: MIT
"""The checker of fault tests finds each thing that it is there to find, and nothing where nothing is wrong."""
import unittest

from ledger_check import repeats, violations

SUBMITTED = ["invoke a", "invoke b", "invoke c", "ok a 1", "ok b 2", "fail c"]
WORKED = ["start a 1 1 0 x 7", "done a 1 1", "start b 2 1 0", "done b 2 1"]


class Good(unittest.TestCase):
    def check(self, submitted, worked, **others):
        self.assertEqual(violations(submitted, worked, **others), [])

    def test_everything_done_once(self):
        self.check(SUBMITTED, WORKED)
        self.assertEqual(repeats(WORKED), 0)

    def test_dead_or_still_queued(self):
        self.check(SUBMITTED, WORKED[:2], dead=[2])
        self.check(SUBMITTED, WORKED[:2], queued=[2])

    def test_begun_again_and_marked(self):
        worked = ["start a 1 1 0", "start a 1 2 1", "done a 1 2", *WORKED[2:]]
        self.check(SUBMITTED, worked)
        self.assertEqual(repeats(worked), 1)

    def test_an_attempt_that_died_before_it_wrote(self):
        self.check(SUBMITTED, ["start a 1 2 1", "done a 1 2", *WORKED[2:]])

    def test_done_twice_and_marked(self):
        self.check(SUBMITTED, [*WORKED, "start a 1 2 1", "done a 1 2"])

    def test_late_answer_of_the_first_attempt(self):
        self.check(SUBMITTED, ["start a 1 1 0", "start a 1 2 1", "done a 1 2", "done a 1 1", *WORKED[2:]])

    def test_begun_late_by_a_worker_that_stood_still(self):
        self.check(SUBMITTED, ["start a 1 2 1", "done a 1 2", "start a 1 1 0", "done a 1 1", *WORKED[2:]])

    def test_revived(self):
        worked = ["start a 1 1 0", "start a 1 2 1", "start a 1 1 0", "start a 1 2 1", "done a 1 2", *WORKED[2:]]
        self.check(SUBMITTED, worked, revived=[1])

    def test_unknown_goes_either_way(self):
        submitted = [*SUBMITTED, "invoke d", "invoke e", "unknown d", "unknown e"]
        self.check(submitted, [*WORKED, "start d 9 1 0", "done d 9 1"])

    def test_accepted_without_an_id(self):
        self.check(["invoke a", "invoke b", "ok a 0", "ok b 2", "outcome a ECLOSED", "outcome b OK"], WORKED)


class Bad(unittest.TestCase):
    def check(self, submitted, worked, kind, **others):
        found = violations(submitted, worked, **others)
        self.assertEqual([line.partition(":")[0] for line in found], [kind], found)

    def test_lost(self):
        self.check(SUBMITTED, WORKED[:2], "lost")

    def test_begun_and_lost(self):
        self.check(SUBMITTED, WORKED[:3], "lost")

    def test_another_one_is_dead_or_queued(self):
        self.check(SUBMITTED, WORKED[:2], "lost", dead=[1], queued=[3])

    def test_begun_again_unmarked(self):
        self.check(SUBMITTED, ["start a 1 1 0", "start a 1 2 0", "done a 1 2", *WORKED[2:]], "unmarked")

    def test_begun_again_with_the_same_attempt(self):
        self.check(SUBMITTED, ["start a 1 1 0", "start a 1 1 1", "done a 1 1", *WORKED[2:]], "attempt")

    def test_begun_again_unmarked_with_a_lower_attempt(self):
        self.check(SUBMITTED, ["start a 1 2 0", "start a 1 1 0", "done a 1 2", *WORKED[2:]], "unmarked")

    def test_revived_and_run_twice_as_one_attempt(self):
        worked = ["start a 1 1 0", "start a 1 1 0", "start a 1 1 1", "done a 1 1", *WORKED[2:]]
        self.check(SUBMITTED, worked, "attempt", revived=[1])

    def test_begun_anew_and_not_revived(self):
        found = violations(SUBMITTED, ["start a 1 1 0", "start a 1 1 0", "done a 1 1", *WORKED[2:]], revived=[2])
        self.assertEqual([line.partition(":")[0] for line in found], ["unmarked", "attempt"])

    def test_not_submitted(self):
        self.check(SUBMITTED, [*WORKED, "start z 3 1 0", "done z 3 1"], "unsubmitted")

    def test_declined_and_run(self):
        self.check(SUBMITTED, [*WORKED, "start c 3 1 0"], "declined")

    def test_there_twice(self):
        self.check(SUBMITTED, [*WORKED, "start a 3 1 0", "done a 3 1"], "twice")

    def test_accepted_without_an_id_and_lost_or_there_twice(self):
        submitted = ["invoke a", "ok a 0"]
        self.check(submitted, WORKED[:1], "lost")
        self.check(submitted, [*WORKED[:2], "start a 3 1 0", "done a 3 1"], "twice")

    def test_done_and_never_begun(self):
        self.check(SUBMITTED, [*WORKED, "done a 1 2"], "unstarted")

    def test_lines_of_another_kind(self):
        with self.assertRaises(ValueError):
            violations(["ak a 1"], [])
        with self.assertRaises(ValueError):
            violations([], ["stop a 1 1"])


if __name__ == "__main__":
    unittest.main()
