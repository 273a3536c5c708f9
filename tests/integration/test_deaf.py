# SPDX-License-Identifier: MIT
"""Clients that go away while NNG greets them, after which NNG 1.5.2 accepts nobody any more: it is mended within seconds."""
import pathlib
import socket
import unittest

import hive

POKES = 40


def poke(path):
    """Connects and is gone."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


class DeafTest(unittest.TestCase):
    def sockets(self, broker, pattern):
        paths = list(pathlib.Path(broker.folder).glob(pattern))
        self.assertTrue(paths)
        return paths

    def test_the_control_socket_answers_again(self):
        with hive.Hive("hello", "--listen", "tcp://127.0.0.1:0", workers=1) as broker:
            broker.wait_ready()
            for _ in range(POKES):
                poke(self.sockets(broker, "control.*")[0])
            hive.wait_until(lambda: broker.try_status() is not None, "an answer", context=broker.describe)
            broker.stop()

    def test_a_replacement_is_counted(self):
        with hive.Hive("hello", "--listen", "tcp://127.0.0.1:0", workers=1) as broker:
            broker.wait_ready()
            for _ in range(POKES):
                poke(self.sockets(broker, "outbox.*")[0])
            broker.kill9(next(iter(broker.pids().values())))
            broker.wait_status(lambda found: [w["id"] for w in found["workers"] if w["state"] == "ready"] == [2])
            hive.wait_until(lambda: self.is_counted(broker), "a request that counts", context=broker.describe)
            broker.stop()

    @staticmethod
    def is_counted(broker):
        """What was sent to the deaf socket is lost; what comes later is not."""
        broker.requests(1)
        return broker.status()["totals"]["requests"] > 0


if __name__ == "__main__":
    unittest.main()
