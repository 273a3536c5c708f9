# SPDX-License-Identifier: MIT
"""A server of NATS for a test, with JetStream in a folder that outlasts it."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

from hive import free_port, wait_until

PROGRAM = shutil.which("nats-server", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
needs_nats = unittest.skipUnless(PROGRAM, "nats-server is not installed: ./dev setup installs it")


class NatsServer:
    """with NatsServer() as server: server.url; options are the server's own."""

    def __init__(self, *options, jetstream=True):
        self.folder = Path(tempfile.mkdtemp(prefix="skep-nats-", dir="/tmp"))
        self.port = free_port()
        self.options, self.jetstream, self.process = options, jetstream, None

    @property
    def url(self):
        return f"nats://127.0.0.1:{self.port}"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        argv = [PROGRAM, "--addr", "127.0.0.1", "--port", str(self.port), *self.options]
        if self.jetstream:
            argv += ["--jetstream", "--store_dir", str(self.folder / "store")]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log)
        wait_until(self._answers, "nats-server", context=lambda: (self.folder / "log").read_text())

    def _answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def kill(self, sig=signal.SIGKILL):
        if self.process is not None:
            self.process.send_signal(sig)
            self.process.wait()
            self.process = None

    def suspend(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def empty(self):
        """Everything that it had stored is gone."""
        shutil.rmtree(self.folder / "store", ignore_errors=True)
