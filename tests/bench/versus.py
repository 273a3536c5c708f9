# SPDX-License-Identifier: MIT
"""One build beside another: each bench is run with both in turn, so that what disturbs the machine disturbs both."""
import statistics

from report import AT_LEAST, AT_MOST, Row

SLOWEST = 0.97  # of the other build's figure


def is_rate(unit):
    return unit.split(",")[0].endswith("/s")


def gather(figures, rows):
    """The figures of Skep itself: rows of one bench that differ only in what they are beside have the same one."""
    for (bench, unit), figure in {(row.bench, row.unit): row.figure for row in rows}.items():
        figures.setdefault((bench, unit), []).append(figure)


def compare(own, others, runs):
    rows = []
    for (bench, unit), figures in own.items():
        middle, beside = statistics.median(figures), statistics.median(others.get((bench, unit), [0]))
        spread = (max(figures) - min(figures)) / middle if middle else 0.0
        sense, bound = (AT_LEAST, SLOWEST) if is_rate(unit) else (AT_MOST, 1 / SLOWEST)
        rows.append(Row(bench, middle, unit, "the other build", beside, runs, sense, bound, spread))
    return rows


def versus(bench, halls, runs):
    """Rows of a bench. halls: makes one for this build, and one for the other, each for a single run."""
    own, others = {}, {}
    for _ in range(runs):
        for figures, hall in ((own, halls[0]), (others, halls[1])):
            gather(figures, bench(hall()))
    return compare(own, others, runs)
