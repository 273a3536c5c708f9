# SPDX-License-Identifier: MIT
"""A command on a terminal of its own: what it writes, byte by byte.

    with Terminal("skep", "status", "--watch", rows=24, columns=80) as terminal:
        terminal.wait(rb"more")
"""
import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading

from hive import DEADLINE_S, Timeout, program


class Terminal:
    def __init__(self, name, *arguments, rows=24, columns=80, env=None):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.written, self._changed = b"", threading.Condition()
        environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        self.popen = subprocess.Popen([program(name), *map(str, arguments)], stdin=slave, stdout=slave, stderr=slave,
                                      start_new_session=True, env={**environment, "TERM": "xterm", **(env or {})})
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.popen.kill()
        self.popen.wait()
        self._reader.join(DEADLINE_S)
        os.close(self.master)

    def _read(self):
        with contextlib.suppress(OSError):  # EIO: nobody has the other end any more
            while data := os.read(self.master, 65536):
                with self._changed:
                    self.written += data
                    self._changed.notify_all()

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def wait(self, pattern, times=1):
        """Until the pattern was written so many times."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(re.findall(pattern, self.written)) >= times, DEADLINE_S):
                raise Timeout(f"no {times} {pattern!r} in {self.written!r}")

    def end(self):
        """Its exit status, all that it wrote read."""
        code = self.popen.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        return code
