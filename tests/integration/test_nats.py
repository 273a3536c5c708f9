#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Jobs in streams of NATS JetStream: brokers share them, and they outlast brokers, workers and servers."""
import contextlib
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from hive import free_port, program, run, wait_until
from jobs import DEADLINE_JOBS_S, Submitter, Workers, ask, dead_letters, job_worker_path, peek, queue_status, wait_queue
from ledger_check import violations
from nats import NatsServer, needs_nats


@needs_nats
class Case(unittest.TestCase):
    LEASE_S = 2

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.server = self.stack.enter_context(NatsServer())
        self.log = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="skep-nats-log-")), "log")
        self.log.touch()

    def broker(self, *queues, options=(), count=2, server=None):
        """One more broker, whose workers write into the log that all share."""
        url = (server or self.server).url
        hive = self.stack.enter_context(Workers(*queues, count=count, log=self.log, options=[
            "--jobs", url, "--nats-lease", self.LEASE_S, "--deaths", 65535, "--stable", 0.01, "--failures", 4096,
            *options]))
        hive.wait_ready(count)
        return hive

    def submitter(self, hive):
        return self.stack.enter_context(Submitter(hive.folder))

    def lines(self):
        return [line.removesuffix(" .") for line in self.log.read_text().splitlines() if line.endswith(" .")]

    def wait_done(self, count):
        """Until so many different jobs are done, whoever does them."""
        wait_until(lambda: len({line.split()[1] for line in self.lines() if line.startswith("done")}) == count,
                   f"{count} jobs done", 60)

    def check(self, *submitters, dead=()):
        lines = sum((submitter.close_unknown() for submitter in submitters), [])
        self.assertEqual(violations(lines, self.lines(), dead=list(dead)), [])


class Sharing(Case):
    def test_results_come_back(self):
        hive = self.broker("q")
        submitter = self.submitter(hive)
        submitter.submit("q", 500)
        submitter.wait_outcomes()
        self.assertEqual(len(submitter.results), 500)
        self.check(submitter)
        status = wait_queue(hive, "q", lambda q: q["done"] == 500 and q["ready"] == 0, "all done")
        self.assertEqual((status["durable"], status["shared"]), (True, True))
        hive.stop()

    def test_two_brokers_share_a_queue(self):
        first, second = self.broker("q"), self.broker("q")
        submitter = self.submitter(first)
        submitter.submit("q", 2000)
        submitter.wait_outcomes()
        self.assertEqual(len(submitter.results), 2000)
        done = [wait_queue(hive, "q", lambda q: q["reserved"] == 0, "answers")["done"] for hive in (first, second)]
        self.assertEqual(sum(done), 2000)
        self.assertGreater(min(done), 0)
        self.check(submitter)

    def test_another_broker_does_them(self):
        submits, works = self.broker("other"), self.broker("q")
        submitter = self.submitter(submits)
        submitter.submit("q", 100)
        submitter.wait_outcomes()
        self.assertEqual(len(submitter.results), 100)
        self.assertEqual(queue_status(works, "q")["done"], 100)


class Lives(Case):
    """What single jobs go through."""

    def test_retries_and_dead_letters(self):
        hive = self.broker("q")
        submitter = self.submitter(hive)
        submitter.submit("q", 3, "retry 50 2")
        submitter.submit("q", 2, "fail no\tgood")
        submitter.submit("q", 2, "retry 1", attempts=3)
        submitter.wait_outcomes()
        self.assertEqual(sorted(submitter.results), ["1", "2", "3"])
        self.assertEqual(sorted(submitter.deaths), ["4", "5", "6", "7"])
        self.assertEqual([submitter.deaths[key]["cause"] for key in "4567"], ["refused"] * 2 + ["attempts"] * 2)
        dead = dead_letters(hive, "q")
        self.assertEqual({job["id"] for job in dead}, {submitter.accepted[key] for key in "4567"})
        self.check(submitter, dead=[job["id"] for job in dead])
        attempts = [int(words[3]) for words in (line.split() for line in self.lines()) if words[:2] == ["start", "6"]]
        self.assertEqual(attempts, [1, 2, 3])

    def test_dead_letters_are_everybodys(self):
        first, second = self.broker("q"), self.broker("q")
        submitter = self.submitter(first)
        submitter.submit("q", 3, "fail no-good")
        submitter.wait_outcomes()
        for hive in (first, second):
            wait_until(lambda hive=hive: len(dead_letters(hive, "q")) == 3, "dead letters", context=hive.describe)
        one = dead_letters(second, "q")[0]
        self.assertEqual((one["cause"], one["reason"], one["attempt"]), ("refused", "no-good", 1))
        ask(second, "dropDead", queue="q")
        for hive in (first, second):
            wait_until(lambda hive=hive: not dead_letters(hive, "q"), "no dead letters", context=hive.describe)

    def test_revived(self):
        hive = self.broker("q")
        submitter = self.submitter(hive)
        submitter.submit("q", 2, "crash 9", attempts=1)
        hive.mended_path.touch()
        submitter.wait_answers()
        wait_queue(hive, "q", lambda q: q["done"] == 2, "done after all")
        self.check(submitter)

    def test_delay_and_time_to_live(self):
        hive = self.broker("q")
        submitter = self.submitter(hive)
        submitter.submit("q", 1, delay_ms=700)
        submitter.submit("paused", 1, ttl_ms=300)
        submitter.wait(lambda: "1" in submitter.results, "the result of the delayed job")
        self.assertEqual(hive.starts("1")[0][3:5], ["1", "0"])
        self.stack.enter_context(Workers("paused", log=self.log, options=["--jobs", self.server.url]))
        submitter.wait_outcomes()
        self.assertEqual(submitter.deaths["2"]["cause"], "expired")

    def test_cancelled(self):
        submits, works = self.broker("other"), self.broker("q", count=1)
        submitter = self.submitter(submits)
        submitter.submit("q", 1, "keep 1500")
        works.wait_starts("1")
        submitter.submit("q", 1)
        submitter.wait(lambda: "2" in submitter.accepted, "the acceptance")
        wait_until(lambda: any(job["id"] == submitter.accepted["2"] for job in peek(works, "q")), "the job")
        said = works.skep("cancel", submitter.accepted["2"])
        self.assertEqual(said.popen.returncode, 0, said.describe())
        submitter.wait_outcomes()
        self.assertEqual(submitter.deaths["2"]["cause"], "cancelled")
        self.assertEqual(works.starts("2"), [])

    def test_keys(self):
        hive = self.broker("q")
        submitter = self.submitter(hive)
        submitter.submit("q", 2, outcomes=False, keys=[b"a\x00\n", b"b"])
        submitter.submit("q", 2, outcomes=False, keys=[b"b", b"c"])
        submitter.wait_answers()
        duplicates = [answer for answer in submitter.answers if answer.get("duplicate")]
        self.assertEqual([answer["id"] for answer in duplicates], [submitter.accepted["2"]])
        wait_queue(hive, "q", lambda q: q["done"] == 3 and q["duplicates"] == 1, "three done")

    def test_priorities(self):
        submits = self.broker("other")
        submitter = self.submitter(submits)
        for priority in (133, 128, 123):
            submitter.submit("q", 5, priority=priority)
        submitter.wait_answers()
        self.broker("q", count=1)
        submitter.wait_outcomes()
        begun = [int(line.split()[1]) for line in self.lines() if line.startswith("start")]
        self.assertGreater(sum(begun[-5:]), 0)
        self.assertTrue(all(key <= 5 for key in begun[-4:]), begun)

    def test_large_jobs(self):
        hive = self.broker("q")
        submitter = self.submitter(hive)
        submitter.submit("q", 3, "large 900000")
        submitter.submit("q", 2, payload=b"5 done " + b"x" * 900000)
        submitter.submit("q", 1, payload=b"6 done " + b"x" * (1024 * 1024 - 100))
        submitter.wait_answers()
        self.assertEqual(submitter.declined, {"6": 17})
        submitter.wait_outcomes()
        self.assertEqual({len(submitter.results[key]) for key in "123"}, {900000})


class Ends(Case):
    """Brokers, workers and servers that end."""

    def test_workers_are_killed(self):
        hive = self.broker("q", count=3)
        submitter = self.submitter(hive)
        submitter.submit("q", 3000, "keep 3")
        for _ in range(20):
            before = len(submitter.results)
            hive.wait_ready(3)
            hive.kill9(next(iter(hive.pids().values())))
            submitter.wait(lambda before=before: len(submitter.results) > before or not submitter._open, "progress")
        submitter.wait_outcomes()
        self.assertEqual(len(submitter.results), 3000)
        self.check(submitter)

    def test_a_broker_is_killed(self):
        first, second = self.broker("q:50"), self.broker("q:50")
        submitter = self.submitter(second)
        submitter.submit("q", 3000, "keep 20")
        submitter.wait(lambda: len(submitter.results) >= 300, "some results")
        first.kill9(first.pid)
        submitter.wait_outcomes()
        self.assertEqual(len(submitter.results), 3000)
        self.check(submitter)

    def test_all_brokers_are_killed(self):
        hive = self.broker("q:50")
        submitter = self.submitter(hive)
        submitter.submit("q", 1000, "keep 20", outcomes=False)
        submitter.wait_answers()
        hive.kill9(hive.pid)
        hive.wait_exit()
        self.broker("q:50")
        self.wait_done(1000)
        self.check(submitter)

    def test_a_broker_ends_in_order(self):
        first = self.broker("q")
        submitter = self.submitter(first)
        submitter.submit("q", 50, "spend 30", outcomes=False)
        submitter.wait_answers()
        first.stop()
        self.broker("q")
        self.wait_done(50)
        self.check(submitter)

    def test_the_server_is_killed(self):
        hive = self.broker("q:20")
        submitter = self.submitter(hive)
        submitter.submit("q", 2000, "keep 5")
        for _ in range(3):
            before = len(submitter.results)
            submitter.wait(lambda before=before: len(submitter.results) > before + 100, "some results")
            self.server.kill()
            submitter.submit("q", 100, "keep 5")
            hive.wait_line(r"jobs cannot be stored: .*the connection to NATS is lost")
            self.server.start()
        submitter.wait_outcomes()
        self.assertEqual(len(submitter.results), 2300)
        self.check(submitter)
        self.assertRegex(hive.output("err"), r"jobs are stored again: connected to NATS at .*127\.0\.0\.1")

    def test_the_server_stands_still(self):
        hive = self.broker("q:20")
        submitter = self.submitter(hive)
        submitter.submit("q", 1000, "keep 5")
        self.server.suspend()
        submitter.submit("q", 500, "keep 5")
        hive.wait_line(r"the connection to NATS is lost")
        self.server.resume()
        submitter.wait_outcomes()
        self.assertEqual(len(submitter.results), 1500)
        self.check(submitter)

    def test_the_server_refuses_for_a_while(self):
        """Its users are being configured."""
        users = [("--user", "u", "--pass", password) for password in ("right", "wrong")]
        server = self.stack.enter_context(NatsServer(*users[0]))
        file = Path(self.log.parent, "credentials")
        file.write_text("u:right\n")
        hive = self.broker("q:20", options=["--nats-credentials", file], server=server)
        submitter = self.submitter(hive)
        submitter.submit("q", 500, "keep 5")
        submitter.wait(lambda: len(submitter.results) > 100, "some results")
        server.kill()
        server.options = users[1]
        server.start()
        hive.wait_line(r"jobs cannot be stored: .*the connection to NATS is refused: .*[Aa]uth")
        submitter.submit("q", 100, "keep 5")
        server.kill()
        server.options = users[0]
        server.start()
        submitter.wait_outcomes()
        hive.wait_line(r"jobs are stored again: connected to NATS")
        self.assertEqual(len(submitter.results), 600)
        self.check(submitter)

    def test_away_for_long(self):
        """Submitters are told at once, after a while; what was accepted is done later."""
        hive = self.broker("other")
        submitter = self.submitter(hive)
        submitter.submit("q", 10)
        submitter.wait_answers()
        self.server.kill()
        hive.wait_line(r"the connection to NATS is lost")
        def declined():
            with Submitter(hive.folder) as other:
                other.submit("q", 1, first=1000, outcomes=False)
                with contextlib.suppress(AssertionError):
                    other.wait(lambda: other.declined, "an answer", 0.2)
                return 6 in other.declined.values()
        wait_until(declined, "a job that is declined")
        self.server.start()
        self.broker("q")
        submitter.wait_outcomes()

    def test_an_empty_server(self):
        """Jobs of the new stream have the numbers of those that are still worked on."""
        hive = self.broker("q", count=3)
        submitter = self.submitter(hive)
        submitter.submit("q", 20, "keep 1500")
        submitter.wait(lambda: len(self.lines()) >= 3, "jobs that are begun")
        self.server.kill()
        self.server.empty()
        self.server.start()
        hive.wait_line(r"jobs are stored again: a stream was made again, without what it had")
        submitter.submit("q", 20)
        submitter.wait(lambda: all(str(key) in submitter.results for key in range(21, 41)), "the new jobs' results")
        done = [line.split()[1] for line in self.lines() if line.startswith("done")]
        self.assertEqual([key for key in range(21, 41) if done.count(str(key)) != 1], [])


class Cluster(unittest.TestCase):
    """Three servers that have each job; each is killed in turn, while jobs are submitted and done."""

    JOBS = 300

    @needs_nats
    def test_servers_are_killed_in_turn(self):
        with contextlib.ExitStack() as stack:
            ports = [free_port() for _ in range(3)]
            routes = ",".join(f"nats://127.0.0.1:{port}" for port in ports)
            servers = [NatsServer("--cluster_name", "c", "--name", f"n{port}", "--cluster", f"nats://127.0.0.1:{port}",
                                  "--routes", routes) for port in ports]
            for server in servers:
                stack.enter_context(server)
            hives = self.start(stack, ",".join(server.url for server in servers))
            submitter = stack.enter_context(Submitter(hives[0].folder))
            for server in servers:
                submitter.submit("q", self.JOBS, "keep 5")
                server.kill()
                submitter.submit("q", self.JOBS, "keep 5")
                submitter.wait_answers()
                server.start()
                # what a server's end has left in doubt comes again after the lease, and a cluster takes its time
                submitter.wait(lambda: len(submitter.results) == len(submitter.keys), "outcomes", 2 * DEADLINE_JOBS_S)
            self.assertEqual(len(submitter.results), 6 * self.JOBS)
            lines = [line.removesuffix(" .") for line in self.log.read_text().splitlines() if line.endswith(" .")]
            lost = [line for line in violations(submitter.close_unknown(), lines) if line.startswith("lost")]
            self.assertEqual(lost, [])

    def start(self, stack, urls):
        """Two brokers; the cluster may not have chosen its leader yet."""
        self.log = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="skep-nats-log-")), "log")
        self.log.touch()
        options = ["--jobs", urls, "--nats-replicas", 3, "--nats-lease", 3]

        def first():
            hive = Workers("q:20", log=self.log, options=options)
            if wait_until(lambda: hive.popen.poll() is not None or hive.try_status(), "a broker") and \
                    hive.popen.poll() is None:
                return stack.enter_context(hive)
            with hive:
                return None
        hives = [wait_until(first, "a broker that starts", 60), stack.enter_context(
            Workers("q:20", log=self.log, options=options))]
        for hive in hives:
            hive.wait_ready(2)
        return hives


@needs_nats
class BadInput(unittest.TestCase):
    def refused(self, jobs, status, line, *options):
        with tempfile.TemporaryDirectory(prefix="skep-nats-") as folder:
            result = run(program("skep"), "run", "--dir", Path(folder, "hive"), "--jobs", jobs, *options, "--",
                         job_worker_path(), "q")
        said = result.output("err")
        self.assertRegex(said, line)
        self.assertEqual((result.popen.returncode, len(said.splitlines())), (status, 1), said)

    def test_addresses(self):
        for jobs in ("nats://", "nats://a:0", "nats://a,,b", "nats://a:1/x.y", "nats://a/"):
            self.refused(jobs, 64, r"^skep: jobs: .*(write nats://HOST|the name of the stream)")

    def test_nobody_there(self):
        with NatsServer() as server:
            url = server.url
        self.refused(url, 69, r"^skep: jobs: cannot connect: no server answers there$")

    def test_no_jetstream(self):
        with NatsServer(jetstream=False) as server:
            self.refused(server.url, 69, r"^skep: jobs: the server of NATS has no JetStream; start it with -js$")

    def test_credentials(self):
        with NatsServer("--user", "u", "--pass", "secret") as server, tempfile.TemporaryDirectory() as folder:
            self.refused(server.url, 77, r"^skep: jobs: cannot connect: .*[Aa]uthorization")
            file = Path(folder, "credentials")
            self.refused(server.url, 64, r"credentials: No such file", "--nats-credentials", file)
            file.touch()
            self.refused(server.url, 64, r"credentials: no credentials are in it", "--nats-credentials", file)
            file.write_text("u:wrong\n")
            self.refused(server.url, 77, r"^skep: jobs: cannot connect: .*[Aa]uthorization", "--nats-credentials", file)
            file.write_text("u:secret\n")
            with Workers("q", options=["--jobs", server.url, "--nats-credentials", file]) as hive:
                hive.wait_ready(2)
                hive.stop()

    @unittest.skipUnless(shutil.which("openssl"), "openssl is not installed")
    def test_encryption(self):
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = Path(folder, "certificate"), Path(folder, "key")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                            "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out",
                            certificate], check=True, capture_output=True)
            with NatsServer("--tls", "--tlscert", str(certificate), "--tlskey", str(key)) as server:
                url = server.url.replace("nats://", "tls://")
                self.refused(url, 76, r"^skep: jobs: cannot connect: ")
                self.refused(url, 64, r"/nothing: no certificates can be read", "--nats-ca", Path(folder, "nothing"))
                with Workers("q", options=["--jobs", url, "--nats-ca", certificate]) as hive:
                    hive.wait_ready(2)
                    with Submitter(hive.folder) as submitter:
                        submitter.submit("q", 10)
                        submitter.wait_outcomes()
                    hive.stop()

    def test_another_stream(self):
        with NatsServer() as server:
            with Workers("q", options=["--jobs", server.url + "/mine"]) as hive:
                hive.wait_ready(2)
                hive.stop()
            self.refused(server.url + "/mine-dead", 76,
                         r"^skep: jobs: mine-dead: this stream has other subjects or another retention; name another")


if __name__ == "__main__":
    unittest.main()
