# SPDX-License-Identifier: MIT
"""Medians of interleaved repeats, and how they are told: a table for people, an object a line for programs."""
import json
import os
import statistics
from dataclasses import dataclass

AT_LEAST, AT_MOST = "≥", "≤"


@dataclass(frozen=True)
class Row:
    """One figure of Skep beside one of a peer, or beside a limit of its own. ratio is always figure / beside_figure."""
    bench: str
    figure: float
    unit: str
    beside: str
    beside_figure: float
    runs: int
    sense: str = ""  # AT_LEAST or AT_MOST; empty: shown, with nothing to reach
    bound: float = 1.0  # of the ratio
    spread: float = 0.0  # of Skep's figures: (greatest - least) / median

    @property
    def ratio(self):
        return self.figure / self.beside_figure if self.beside_figure else float("inf")

    @property
    def verdict(self):
        if not self.sense:
            return ""
        good = self.ratio >= self.bound if self.sense == AT_LEAST else self.ratio <= self.bound
        return "reached" if good else f"short: {abs(self.ratio / self.bound - 1):.1%}"

    def line(self):
        return json.dumps({"bench": self.bench, "figure": round(self.figure, 4), "unit": self.unit,
                           "beside": self.beside,
                           "beside_figure": round(self.beside_figure, 4), "ratio": round(self.ratio, 4),
                           "runs": self.runs})


def interleave(contenders, runs, wait_quiet=lambda: None):
    """Figures by contender's name: A B C, A B C, ... so that what disturbs the machine disturbs all alike."""
    figures = {name: [] for name in contenders}
    for _ in range(runs):
        for name, measure in contenders.items():
            wait_quiet()
            figures[name].append(measure())
    return figures


def compare(bench, unit, figures, subject, goals):
    """Rows for the subject beside each other. goals: name -> (sense, bound); a number as the name is a limit."""
    own = figures[subject]
    middle, runs = statistics.median(own), len(own)
    spread = (max(own) - min(own)) / middle if middle else 0.0
    rows = []
    for name, others in figures.items():
        if name != subject:
            sense, bound = goals.get(name, ("", 1.0))
            rows.append(Row(bench, middle, unit, name, statistics.median(others), runs, sense, bound, spread))
    for limit, (sense, bound) in goals.items():
        if not isinstance(limit, str):
            rows.append(Row(bench, middle, unit, "limit", limit, runs, sense, bound, spread))
    return rows


def number(value):
    """Four digits that matter, with a thousands' or millions' letter."""
    for size, letter in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"


HEADINGS = ("bench", "figure", "", "spread", "beside", "figure", "ratio", "to reach", "")


def cells(row):
    goal = f"{row.sense} {row.bound:.3g}" if row.sense else "–"
    return (row.bench, number(row.figure), row.unit, f"{row.spread:.0%}", row.beside, number(row.beside_figure),
            f"{row.ratio:.3g}", goal, row.verdict)


def table(rows):
    lines = [HEADINGS, *map(cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def write(rows, path):
    """The file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text("".join(row.line() + "\n" for row in rows))
    os.replace(fresh, path)
