# SPDX-License-Identifier: MIT
"""A terminal for programs that draw, and what stands on it: of xterm as much as ncurses uses.

    with Terminal([program("skep"), "top"], columns=80, rows=24) as terminal:
        terminal.wait_for("EVENTS")
        terminal.press("q")
        self.assertEqual(terminal.wait_exit(), 0)
"""
import codecs
import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time

from hive import DEADLINE_S, Timeout

CONTROL = re.compile(r"\[([?>=]?)([0-9;]*)([@-~])|[()][0-9A-B]|[=>78cDEHM]|\].*?(?:\a|\x1b\\)", re.S)


class Screen:
    """What stands where, after the bytes that came so far."""

    def __init__(self, columns, rows):
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.pending = ""
        self.row = self.column = 0
        self.last = " "
        self.unknown = []  # sequences that this terminal does not know
        self.resize(columns, rows)

    def resize(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.cells = [[" "] * columns for _ in range(rows)]
        self.top, self.bottom = 0, rows  # rows that scroll
        self.row, self.column = min(self.row, rows - 1), min(self.column, columns - 1)

    def _scroll(self, first, count):
        """Rows from first to the bottom of the region move up, down if count is negative."""
        region = self.cells[first:self.bottom]
        blank = [[" "] * self.columns for _ in range(min(abs(count), len(region)))]
        kept = region[len(blank):] if count > 0 else region[:len(region) - len(blank)]
        self.cells[first:self.bottom] = kept + blank if count > 0 else blank + kept

    def lines(self):
        return ["".join(row).rstrip() for row in self.cells]

    def feed(self, data):
        text = self.pending + self.decoder.decode(data)
        at = 0
        while at < len(text):
            if text[at] != "\x1b":
                self._character(text[at])
                at += 1
                continue
            found = CONTROL.match(text, at + 1)
            if not found:
                if len(text) - at > 64:
                    self.unknown.append(text[at:at + 8])
                    at += 1
                    continue
                break
            self._control(found)
            at = found.end()
        self.pending = text[at:]

    def _character(self, char):
        if char == "\r":
            self.column = 0
        elif char == "\n":
            if self.row == self.bottom - 1:
                self._scroll(self.top, 1)
            else:
                self.row = min(self.row + 1, self.rows - 1)
        elif char == "\b":
            self.column = max(self.column - 1, 0)
        elif char >= " ":
            self.column = min(self.column, self.columns - 1)  # nothing wraps
            self.cells[self.row][self.column] = char
            self.column += 1
            self.last = char

    def _control(self, found):
        kind, parameters, final = found.groups()
        if final is None or kind or final in "mhltn":
            return
        numbers = [int(number) if number else 0 for number in parameters.split(";")]
        count = max(numbers[0], 1)
        row = self.cells[self.row]
        column = min(self.column, self.columns)
        if final == "H":
            self.row = min(count, self.rows) - 1
            self.column = min(max(numbers[1] if len(numbers) > 1 else 1, 1), self.columns) - 1
        elif final == "r":
            last = numbers[1] if len(numbers) > 1 and numbers[1] else self.rows
            self.top, self.bottom = count - 1, min(last, self.rows)
            self.row = self.column = 0
        elif final in "ST":
            self._scroll(self.top, count if final == "S" else -count)
        elif final in "LM":
            self._scroll(self.row, count if final == "M" else -count)
        elif final == "G":
            self.column = min(count, self.columns) - 1
        elif final == "d":
            self.row = min(count, self.rows) - 1
        elif final == "A":
            self.row = max(self.row - count, 0)
        elif final == "B":
            self.row = min(self.row + count, self.rows - 1)
        elif final == "C":
            self.column = min(self.column + count, self.columns - 1)
        elif final == "D":
            self.column = max(self.column - count, 0)
        elif final == "K":
            span = {0: (column, self.columns), 1: (0, column + 1), 2: (0, self.columns)}[numbers[0]]
            row[span[0]:span[1]] = [" "] * (min(span[1], self.columns) - span[0])
        elif final == "J":
            first = self.row + 1 if numbers[0] == 0 else 0
            if numbers[0] == 0:
                row[column:] = [" "] * (self.columns - column)
            for other in self.cells[first:]:
                other[:] = [" "] * self.columns
        elif final == "X":
            end = min(column + count, self.columns)
            row[column:end] = [" "] * (end - column)
        elif final == "P":
            row[:] = (row[:column] + row[column + count:] + [" "] * count)[:self.columns]
        elif final == "@":
            row[:] = (row[:column] + [" "] * count + row[column:])[:self.columns]
        elif final == "b":
            for _ in range(count):
                self._character(self.last)
        else:
            self.unknown.append(found.group(0))


class Terminal:
    """A program that has a terminal of its own, as its controlling one."""

    def __init__(self, argv, columns=80, rows=24, env=None):
        self.argv = argv
        self.raw = b""
        self.screen = Screen(columns, rows)
        self._lock = threading.Lock()
        self.master, self.slave = os.openpty()
        self.resize_only(columns, rows)
        self.before = termios.tcgetattr(self.slave)
        environment = {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", **(env or {})}
        environment.pop("COLUMNS", None)
        environment.pop("LINES", None)
        self.popen = subprocess.Popen(argv, stdin=self.slave, stdout=self.slave, stderr=self.slave, env=environment,
                                      start_new_session=True, preexec_fn=self._own)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _own(self):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        os.close(self.slave)
        self._reader.join(5)
        os.close(self.master)

    def _read(self):
        with contextlib.suppress(OSError):
            while data := os.read(self.master, 65536):
                with self._lock:
                    self.raw += data
                    self.screen.feed(data)

    def lines(self):
        with self._lock:
            return self.screen.lines()

    def text(self):
        return "\n".join(self.lines())

    def wait_until(self, predicate, what, deadline_s=DEADLINE_S):
        end = time.monotonic() + deadline_s
        while not predicate():
            if time.monotonic() >= end:
                raise Timeout(f"after {deadline_s:g} s still waiting for {what}\n{self.text()}\n{self.raw[-500:]}")
            select.select([], [], [], 0.02)

    def wait_for(self, pattern, deadline_s=DEADLINE_S):
        """Waits until some line of the screen matches; the match."""
        self.wait_until(lambda: re.search(pattern, self.text(), re.M), repr(pattern), deadline_s)
        return re.search(pattern, self.text(), re.M)

    def wait_gone(self, pattern, deadline_s=DEADLINE_S):
        self.wait_until(lambda: not re.search(pattern, self.text(), re.M), f"{pattern!r} to go", deadline_s)

    def press(self, keys):
        os.write(self.master, keys.encode())

    def resize_only(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        """A program learns of it only if that is another size."""
        with self._lock:
            if (columns, rows) == (self.screen.columns, self.screen.rows):
                return
            self.screen.resize(columns, rows)
        self.resize_only(columns, rows)

    def wait_exit(self, deadline_s=DEADLINE_S):
        try:
            return self.popen.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise Timeout(f"after {deadline_s:g} s still running\n{self.text()}") from None

    def is_as_before(self):
        """Whether the terminal's modes are those that the program found."""
        return termios.tcgetattr(self.slave) == self.before
