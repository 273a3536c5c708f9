#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Listeners: every kind of URL, who shares which, who opens and closes them, and what a failure to bind looks like."""
import os
import signal
import socket
import subprocess
import sys
import time
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

from faults import (TCP, Client, actor_path, actors, answers, ask, crowd, disperse, port_of, quiet_port, refuses,
                    stopped, worker_at)
from hive import Hive, program, run, wait_until

HAS_IPV6 = socket.has_ipv6 and Path("/proc/net/if_inet6").exists() and Path("/proc/net/if_inet6").read_text() != ""
needs_ipv6 = unittest.skipUnless(HAS_IPV6, "this machine has no IPv6")


def urls(status):
    return [listener["url"] for listener in status["listeners"]]


def reach(url, worker):
    """A client of this very worker, which may be behind for a while on a busy machine."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        client = Client(url)
        if client.worker() == worker:
            return client
        client.close()
    raise AssertionError(f"worker {worker} cannot be reached at {url}")


class Listening(unittest.TestCase):
    def setUp(self):
        self.temporary = TemporaryDirectory(prefix="skep-", dir="/tmp")
        self.addCleanup(self.temporary.cleanup)
        self.folder = self.temporary.name

    def start(self, *arguments, workers=2, **options):
        """A hive of actors, with the URLs of its listeners in the order in which they were asked for."""
        hive = self.enterContext(actors(*arguments, workers=workers, **options))
        status = hive.wait_ready(workers)
        hive.bound = [hive.wait_line(r"worker 1 pid \d+: listening on (\S+)$", times=n + 1).group(1)
                      for n in range(len(arguments))]
        self.assertEqual(sorted(urls(status)), sorted(set(hive.bound)))
        return hive

    def check_all_serve(self, url, workers=2):
        self.assertEqual({worker_at(url) for _ in range(workers)}, set(range(1, workers + 1)), url)

    def listen(self, control, worker, url):
        """Makes one worker listen; its answer."""
        with reach(control, worker) as client:
            return client.ask(f"listen {url}")

    def close(self, control, worker, url):
        with reach(control, worker) as client:
            self.assertEqual(client.ask(f"close {url}"), "ok")


class Addresses(Listening):
    def test_ipv4(self):
        hive = self.start(TCP)
        self.assertRegex(hive.bound[0], r"^tcp://127\.0\.0\.1:[1-9]\d*$")
        self.check_all_serve(hive.bound[0])
        self.assertTrue(refuses(f"tcp://127.0.0.2:{port_of(hive.bound[0])}"))
        hive.stop()
        self.assertTrue(refuses(hive.bound[0]))

    def test_ipv4_with_a_port_of_ones_own(self):
        port = quiet_port()
        hive = self.start(f"tcp://localhost:{port}")
        self.check_all_serve(f"tcp://127.0.0.1:{port}")
        hive.stop()

    @needs_ipv6
    def test_ipv6(self):
        hive = self.start("tcp://[::1]:0")
        self.assertRegex(hive.bound[0], r"^tcp://\[::1\]:[1-9]\d*$")
        self.check_all_serve(hive.bound[0])
        self.assertTrue(refuses(f"tcp://127.0.0.1:{port_of(hive.bound[0])}"))
        hive.stop()

    @needs_ipv6
    def test_the_star_is_both(self):
        hive = self.start("tcp://*:0")
        self.assertRegex(hive.bound[0], r"^tcp://\*:[1-9]\d*$")
        for host in ("127.0.0.1", "127.0.0.2", "[::1]"):
            self.check_all_serve(f"tcp://{host}:{port_of(hive.bound[0])}")
        hive.stop()

    @needs_ipv6
    def test_ipv6_alone_leaves_the_port_to_ipv4(self):
        port = quiet_port()
        hive = self.start(f"tcp://[::]:{port}")
        self.assertTrue(refuses(f"tcp://127.0.0.1:{port}"))
        self.assertEqual(self.listen(f"tcp://[::1]:{port}", 1, f"tcp://0.0.0.0:{port}"), f"ok tcp://0.0.0.0:{port}")
        self.assertEqual(worker_at(f"tcp://127.0.0.1:{port}"), 1)
        hive.stop()


class UnixPaths(Listening):
    def url(self, name="socket"):
        return f"unix://{self.folder}/{name}"

    def test_served_by_all_and_unlinked_at_the_end(self):
        hive = self.start(self.url())
        self.assertEqual(hive.bound, [self.url()])
        self.check_all_serve(self.url())
        hive.stop()
        self.assertEqual(os.listdir(self.folder), [])

    def test_unlinked_when_the_last_worker_gives_it_back(self):
        hive = self.start(TCP, self.url())
        self.close(hive.bound[0], 1, self.url())
        wait_until(lambda: [worker_at(self.url()) for _ in range(3)] == [2] * 3, "worker 2 alone to serve")
        self.close(hive.bound[0], 2, self.url())
        wait_until(lambda: os.listdir(self.folder) == [], "the path to be unlinked")
        self.assertEqual(self.listen(hive.bound[0], 2, self.url()), f"ok {self.url()}")
        self.assertEqual(worker_at(self.url()), 2)
        hive.stop()

    def test_path_of_a_killed_broker_is_taken_over(self):
        hive = self.start(self.url())
        hive.kill9(hive.pid)
        self.assertEqual(os.listdir(self.folder), ["socket"])
        second = self.start(self.url(), folder=hive.folder)
        self.check_all_serve(self.url())
        second.stop()
        self.assertEqual(os.listdir(self.folder), [])

    def check_in_use(self, control):
        self.assertEqual(self.listen(control, 1, self.url()),
                         f"failed EADDRINUSE {self.url()}: address already in use")

    def test_path_of_somebody_who_listens_is_left_alone(self):
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(f"{self.folder}/socket")
            other.listen()
            hive = self.start(TCP)
            self.check_in_use(hive.bound[0])
            self.assertFalse(refuses(self.url()))
            hive.stop()
        self.assertEqual(os.listdir(self.folder), ["socket"])

    def test_path_of_a_file_is_left_alone(self):
        file = Path(self.folder, "socket")
        file.write_text("precious")
        hive = self.start(TCP)
        self.check_in_use(hive.bound[0])
        hive.stop()
        self.assertEqual(file.read_text(), "precious")

    def test_too_long(self):
        url = self.url("x" * (108 - len(self.folder)))
        hive = self.start(TCP)
        self.assertEqual(self.listen(hive.bound[0], 1, url), f"failed EURL {url}: the path is longer than 107 bytes")
        self.assertEqual(self.listen(hive.bound[0], 1, url[:-2]), f"ok {url[:-2]}")
        self.assertEqual(worker_at(url[:-2]), 1)
        hive.stop()
        done = run("skep", "run", "--dir", hive.folder, "-l", f"web={url}", actor_path())
        self.assertEqual((done.code, done.output("out")), (64, ""))
        self.assertEqual(done.output("err"), f"skep: run: -l web={url}: the path is longer than 107 bytes")


class Sharing(Listening):
    def test_port_0_is_one_port_for_all_and_another_for_each_time(self):
        hive = self.start(TCP, TCP, workers=3)
        self.assertEqual(len(set(hive.bound)), 2)
        for url in hive.bound:
            self.check_all_serve(url, 3)
            self.assertEqual(hive.count(rf"worker \d pid \d+: listening on {url}$"), 3)
        hive.stop()

    def test_a_replacement_gets_the_same_ports(self):
        hive = self.start(TCP, TCP, workers=2)
        hive.kill9(hive.pids()[1])
        hive.wait_line(r"worker 3 pid \d+: ready$")
        for url in hive.bound:
            self.assertEqual({worker_at(url) for _ in range(2)}, {2, 3})
        hive.stop()

    def test_a_star_and_an_address_are_two_listeners(self):
        hive = self.start("tcp://*:0", TCP)
        self.assertNotEqual(*map(port_of, hive.bound))
        for url in hive.bound:
            self.check_all_serve(f"tcp://127.0.0.1:{port_of(url)}")
        hive.stop()

    def test_two_addresses_with_one_port_are_two_listeners(self):
        port = quiet_port()
        hive = self.start(f"tcp://127.0.0.1:{port}", f"tcp://127.0.0.2:{port}")
        for url in hive.bound:
            self.check_all_serve(url)
        self.assertEqual({listener["accepted"] for listener in hive.status()["listeners"]}, {2})
        hive.stop()


class Failing(Listening):
    def test_the_worker_that_asked_is_told_and_may_succeed_later(self):
        for policy in ("round-robin", "shared", "reuseport"):
            with self.subTest(policy=policy):
                hive = self.start(TCP, policy=policy)
                port = quiet_port()
                url = f"tcp://127.0.0.1:{port}"
                with socket.create_server(("127.0.0.1", port)):
                    for _ in range(2):
                        self.assertEqual(self.listen(hive.bound[0], 1, url),
                                         f"failed EADDRINUSE {url}: address already in use")
                hive.wait_line(rf"worker 1 pid \d+: error: cannot listen on {url}: address already in use$", times=2)
                self.assertEqual(hive.count("worker 2 pid .*: error"), 0)
                self.assertEqual(urls(hive.status()), hive.bound)
                self.assertEqual(self.listen(hive.bound[0], 2, url), f"ok {url}")
                self.assertEqual(worker_at(url), 2)
                self.assertEqual(self.listen(hive.bound[0], 1, url), f"ok {url}")
                hive.stop()

    def test_an_address_that_is_not_here(self):
        hive = self.start(TCP)
        url = "tcp://192.0.2.1:0"
        self.assertEqual(self.listen(hive.bound[0], 1, url), f"failed EADDR {url}: address not available")
        hive.stop()

    def test_what_is_no_url(self):
        hive = self.start(TCP)
        for url, why in (("tcp://127.0.0.1", ""), ("tcp://127.0.0.1:65536", ""), ("tcp://example.com:80", ""),
                         ("udp://127.0.0.1:1", ""), ("unix://", "the path is missing"),
                         ("nobody", "no listener has this name"), ("x" * 257, "a name of 1 to 256 bytes is needed")):
            self.assertRegex(self.listen(hive.bound[0], 1, url), rf"^failed EURL {url}: .*{why}", url)
        self.assertEqual(urls(hive.status()), hive.bound)
        hive.stop()

    def test_a_folder_that_is_not_there(self):
        hive = self.start(TCP)
        url = f"unix://{self.folder}/none/socket"
        self.assertRegex(self.listen(hive.bound[0], 1, url), rf"^failed \w+ {url}: ")
        hive.stop()


class Closing(Listening):
    def wait_refused(self, url):
        wait_until(lambda: refuses(url), f"{url} to be closed")

    def test_the_last_worker_that_gives_it_back_closes_it(self):
        for policy in ("round-robin", "shared", "reuseport"):
            with self.subTest(policy=policy):
                hive = self.start(TCP, TCP, policy=policy)
                control, url = hive.bound
                self.close(control, 1, url)
                wait_until(lambda: {worker_at(url) for _ in range(10)} == {2}, "worker 2 alone to serve")
                self.close(control, 2, url)
                self.wait_refused(url)
                hive.wait_status(lambda status: urls(status) == [control], "the other listener alone")
                self.assertEqual(self.listen(control, 1, url), f"ok {url}")
                self.assertEqual(worker_at(url), 1)
                hive.stop()

    def test_connections_outlive_their_listener(self):
        hive = self.start(TCP, TCP, workers=1)
        control, url = hive.bound
        with Client(url) as client:
            self.assertEqual(client.worker(), 1)
            self.close(control, 1, url)
            self.wait_refused(url)
            self.assertEqual(client.worker(), 1)
        hive.stop()

    def test_the_last_worker_that_leaves_closes_it(self):
        for policy in ("round-robin", "shared", "reuseport"):
            with self.subTest(policy=policy):
                hive = self.start(TCP, "tcp://127.0.0.2:0", policy=policy)
                for worker in (1, 2):
                    self.assertFalse(any(refuses(url) for url in hive.bound))
                    with reach(hive.bound[0], worker) as client:
                        self.assertEqual(client.ask("leave"), "ok")
                    wait_until(lambda: worker not in hive.pids() if worker == 1 else True, "the worker to leave")
                self.assertEqual(hive.wait_exit(), 0)
                self.assertTrue(all(refuses(url) for url in hive.bound))

    def test_it_waits_for_replacements_when_all_workers_are_killed(self):
        for policy in ("round-robin", "shared", "reuseport"):
            with self.subTest(policy=policy):
                hive = self.start(TCP, policy=policy)
                pids = hive.pids()
                with stopped(*pids.values()):
                    clients = crowd(hive.bound[0], 20)
                    for pid in pids.values():
                        os.kill(pid, signal.SIGKILL)
                    heard = answers(clients)
                self.assertEqual([type(what) for what in heard], [str] * 20, heard)
                hive.wait_ready(2)
                self.assertEqual(urls(hive.status()), hive.bound)
                self.assertIn(worker_at(hive.bound[0]), (3, 4))
                disperse(clients)
                hive.stop()


class Names(Listening):
    def start_named(self, workers=2, **options):
        listen = ["web=tcp://127.0.0.1:0", f"local=unix://{self.folder}/socket"]
        hive = self.enterContext(Hive(actor_path(), "web", "local", workers=workers, listen=listen, **options))
        status = hive.wait_ready(workers)
        self.named = {listener["name"]: listener["url"] for listener in status["listeners"]}
        return hive

    def test_workers_listen_by_name(self):
        hive = self.start_named()
        self.assertEqual(set(self.named), {"web", "local"})
        for url in self.named.values():
            self.check_all_serve(url)
        self.assertEqual(hive.count(rf"worker \d pid \d+: listening on {self.named['web']}$"), 2)
        hive.stop()
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_relative_path_and_a_mode(self):
        here = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, here)
        with Hive(actor_path(), "local", listen=["local=unix://socket?mode=0666"]) as hive:
            url = hive.wait_ready(2)["listeners"][0]["url"]
            self.assertEqual(url, f"unix://{self.folder}/socket")
            self.assertEqual(os.stat("socket").st_mode & 0o777, 0o666)
            self.check_all_serve(url)
            hive.stop()
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_descriptor_that_is_bound_already(self):
        """As systemd gives it: bound, listening, under number 3; it outlives the broker, with who waits there."""
        with socket.create_server(("127.0.0.1", 0)) as given:
            url = f"tcp://127.0.0.1:{given.getsockname()[1]}"
            start = (f"import os; os.dup2({given.fileno()}, 3); "
                     f"os.execl({program('skep')!r}, 'skep', 'run', '-n', '2', '--dir', {self.folder + '/hive'!r}, "
                     f"'-l', 'web=fd://3', '--', {actor_path()!r}, 'web')")
            broker = subprocess.Popen([sys.executable, "-c", start], pass_fds=[given.fileno()],
                                      stderr=subprocess.DEVNULL)
            try:
                wait_until(lambda: {worker_at(url), worker_at(url)} == {1, 2}, "both workers", deadline_s=30)
            finally:
                broker.terminate()
                broker.wait(30)
            self.assertEqual(broker.returncode, 0)
            with socket.create_connection(given.getsockname()) as client:
                accepted = wait_until(lambda: self.accept(given), "the connection")
                self.assertEqual(accepted.getpeername(), client.getsockname())
                accepted.close()

    @staticmethod
    def accept(listener):
        listener.setblocking(False)
        try:
            return listener.accept()[0]
        except BlockingIOError:
            return None

    def test_a_name_that_was_not_given(self):
        hive = self.start_named()
        self.assertEqual(self.listen(self.named["web"], 1, "other"), "failed EURL other: no listener has this name; "
                         "give skep run -l other=URL, or call skep_cluster_listen")
        hive.stop()

    def test_it_stays_when_no_worker_listens(self):
        for policy in ("round-robin", "shared", "reuseport"):
            with self.subTest(policy=policy):
                hive = self.start_named(workers=1, policy=policy)
                web = self.named["web"]
                with Client(self.named["local"]) as client:
                    self.assertEqual(client.ask(f"close {web}"), "ok")
                    hive.wait_status(lambda status: len(status["listeners"]) == 2, "both listeners")
                    waiting = crowd(web, 5)
                    self.assertEqual(client.ask("listen web"), f"ok {web}")
                    self.assertEqual(len([what for what in answers(waiting) if isinstance(what, str)]), 5)
                    disperse(waiting)
                hive.stop()

    def test_connections_wait_while_the_only_worker_is_replaced(self):
        hive = self.start_named(workers=1)
        with stopped(hive.pids()[1]):
            waiting = crowd(self.named["web"], 10)
            hive.kill9(hive.pids()[1])
            self.assertEqual([what.split()[0] for what in answers(waiting)], ["2"] * 10)
        disperse(waiting)
        hive.stop()


if __name__ == "__main__":
    unittest.main()
