# SPDX-License-Identifier: MIT
"""Several groups in one broker: web, on a port, and thumbs, on a queue. What is done to one does not touch the other."""
import os
import signal
import tempfile
import unittest
from pathlib import Path

from faults import HttpLoad
from hive import Hive, connect, free_port, program, run, wait_until
from jobs import LibraryClient, job_worker_path, wait_queue

HELLO = ("hello", "--listen", "tcp://127.0.0.1:0")


def groups(*options, thumbs=None, workers=3):
    command = thumbs or f"{job_worker_path()} thumbs"
    return Hive(*HELLO, workers=workers, options=("--group", f"thumbs:2:{command}", *options))


def of(hive, group):
    """The workers of a group, by their ids."""
    return {worker["id"]: worker for worker in hive.status()["workers"] if worker["group"] == group}


def ready(hive, group, count):
    return wait_until(lambda: [w["state"] for w in of(hive, group).values()] == ["ready"] * count and of(hive, group),
                      f"{count} workers of {group}", context=hive.describe)


class Steered(unittest.TestCase):
    def ask(self, hive, *args, code=0, says=""):
        done = run("skep", args[0], "--dir", hive.folder, *args[1:], env=hive.env)
        self.assertEqual(done.code, code, done.describe())
        self.assertRegex(done.output(), says)

    def test_what_happens_to_thumbs_is_not_felt_by_web(self):
        with groups() as hive:
            hive.wait_ready(5)
            before = of(hive, "hello")
            with HttpLoad(hive.url) as load:
                load.wait_more()
                hive.kill9(next(iter(of(hive, "thumbs").values()))["pid"])
                self.ask(hive, "scale", "thumbs", "+2", says=r"2 -> 4 workers\n4 workers ready")
                self.ask(hive, "reload", "thumbs", says="4 workers replaced")
                self.ask(hive, "restart", "thumbs", says="4 workers replaced")
                self.ask(hive, "scale", "thumbs", "-1", says=r"4 -> 3 workers\n3 workers ready")
                load.wait_more()
            self.assertEqual(load.failed, [])
            self.assertEqual(of(hive, "hello").keys(), before.keys())
            ready(hive, "thumbs", 3)
            hive.stop()

    def test_what_happens_to_web_is_not_felt_by_thumbs(self):
        with groups() as hive:
            hive.wait_ready(5)
            before = of(hive, "thumbs")
            with LibraryClient(hive, window=100, count=2000, queue="thumbs") as client:
                hive.kill9(next(iter(of(hive, "hello").values()))["pid"])
                self.ask(hive, "scale", "hello", "2", says=r"2 workers ready")
                self.ask(hive, "reload", "hello", says="2 workers replaced")
                self.assertEqual(client.process.wait_exit(), 0, client.process.describe())
            queue = wait_queue(hive, "thumbs", lambda found: found["done"] == 2000, "2,000 jobs done")
            self.assertEqual((queue["redelivered"], queue["dead"]), (0, 0))
            self.assertEqual(of(hive, "thumbs").keys(), before.keys())
            hive.stop()

    def test_a_broken_group(self):
        with groups("--failures", "3", "--breaker", "600s", thumbs="/bin/false") as hive:
            hive.wait_line(r"group thumbs: breaker opened: 3 quick failures")
            ready(hive, "hello", 3)
            with HttpLoad(hive.url) as load:
                load.wait_more()
                self.ask(hive, "reload", "hello", says="3 workers replaced")
                self.ask(hive, "scale", "hello", "4", says="4 workers ready")
                load.wait_more()
            self.assertEqual(load.failed, [])
            hive.kill9(next(iter(of(hive, "hello").values()))["pid"])
            ready(hive, "hello", 4)
            states = {group["name"]: (group["wanted"], group["ready"], group.get("breaker_s") is not None)
                      for group in hive.status()["groups"]}
            self.assertEqual(states, {"hello": (4, 4, False), "thumbs": (2, 0, True)})
            self.ask(hive, "scale", "thumbs", "3", code=70, says="no more workers are started, because too many failed")
            self.ask(hive, "resume", "thumbs", says="group thumbs: the breaker is closed, missing workers are started")
            hive.wait_line(r"group thumbs: breaker opened", times=2)
            self.ask(hive, "resume", says="the breaker is closed")
            hive.stop()

    def test_several_groups_have_to_be_named(self):
        with groups() as hive:
            hive.wait_ready(5)
            self.ask(hive, "scale", "+1", code=64, says="scale: give one of the groups: hello, thumbs")
            self.ask(hive, "reload", "--env", "A=1", code=64, says="reload: give one of the groups: hello, thumbs")
            self.ask(hive, "scale", "nobody", "1", code=68, says="scale: no group nobody; there is hello, thumbs")
            self.ask(hive, "reload", "nobody", code=68, says="reload: no group nobody; there is hello, thumbs")
            self.ask(hive, "restart", "nobody", code=68, says="restart: no group nobody|reload: no group nobody")
            self.ask(hive, "resume", "nobody", code=68, says="resume: nobody: no such listener, queue or group")
            self.ask(hive, "resume", "--group", "nobody", code=68, says="resume: no group nobody")
            self.ask(hive, "reload", says=r"group hello\n(.*\n)*3 workers replaced\ngroup thumbs\n(.*\n)*2 workers replaced")
            self.ask(hive, "reload", "thumbs", "--", "another", says="2 workers replaced")
            wait_queue(hive, "another", lambda found: found["workers"] == 2, "the new arguments")
            hive.stop()

    def test_they_are_named_everywhere(self):
        with groups() as hive:
            hive.wait_ready(5)
            events = hive.events()
            events.wait_line(r"from number \d+")
            self.ask(hive, "restart", "4", says="worker 4 is replaced")
            exit = events.wait_event("exit")
            self.assertEqual((exit["group"], exit["worker"]["id"]), ("thumbs", 4))
            self.assertEqual(events.wait_event("reload")["group"], "thumbs")
            self.ask(hive, "exits", "--json", says='"group": ?"thumbs"')
            self.ask(hive, "exits", says="thumbs")
            self.ask(hive, "status", says=r"GROUP(.|\n)*hello(.|\n)*thumbs")
            self.ask(hive, "logs", "1", says=r"hello worker 1 pid \d+ stdout: Worker 1 is listening")
            self.ask(hive, "complete", "groups", says=r"\Ahello\nthumbs\Z")
            self.ask(hive, "complete", "ones", says=r"\A1\n(.|\n)*\nhello\nthumbs\Z")
            self.ask(hive, "logs", "1", "--json", says='"group": ?"hello"')
            hive.wait_line(r"thumbs worker 4 pid \d+: ready")
            hive.stop()

    def test_one_group_has_no_need_of_a_name(self):
        with Hive(*HELLO, workers=1) as hive:
            status = hive.wait_ready(1)
            events = hive.events()
            events.wait_line(r"from number \d+")
            self.assertEqual([group["name"] for group in status["groups"]], ["hello"])
            self.assertNotIn("group", status["workers"][0])
            self.ask(hive, "scale", "hello", "2", says="2 workers ready")
            self.assertNotIn("group", events.wait_event("scale"))
            self.assertNotIn("GROUP", hive.skep("status").output())
            hive.stop()


class Edges(Steered):
    UNSTARTABLE = "#!/bin/sh\nexit 78\n"

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="skep-", dir="/tmp")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def script(self, text):
        path = self.folder / "program"
        path.write_text(text)
        path.chmod(0o755)
        return str(path)

    def test_a_trial_that_finds_no_directory_is_not_the_last(self):
        with groups("--failures", "2", "--breaker", "1s", thumbs="/bin/false") as hive:
            hive.wait_line(r"group thumbs: breaker opened")
            away, started = hive.folder + ".away", r"thumbs worker \d+ pid \d+: started"
            os.rename(hive.folder, away)
            try:
                hive.wait_line(r"no replacement: .*directory")
            finally:
                os.rename(away, hive.folder)
            hive.wait_line(started, times=hive.count(started) + 1)
            hive.stop()

    def test_a_group_that_cannot_start_does_not_end_the_others(self):
        with groups(thumbs=self.script(self.UNSTARTABLE), workers=1) as hive:
            hive.wait_line(r"group thumbs: worker \d+ cannot start; it is not replaced", times=2)
            hive.wait_ready(1)
            self.ask(hive, "status", says=r"NO WORKERS: thumbs: the number wanted is 0; skep scale thumbs 1 starts one")
            self.ask(hive, "reload", says="1 worker replaced")
            hive.stop()

    def test_no_group_can_start(self):
        path = self.script(self.UNSTARTABLE)
        with Hive(path, workers=1, options=("--group", f"b:1:{path}")) as hive:
            self.assertEqual(hive.wait_exit(), 78, hive.describe())
            self.assertRegex(hive.output("err"), r"worker \d cannot start: it exited with status 78")

    def test_a_group_without_workers_on_purpose_keeps_the_broker(self):
        """Whatever becomes of the others afterwards."""
        gone = self.folder / "gone"
        path = self.script(f"#!/bin/sh\nwhile [ ! -e {gone} ]; do sleep 0.05; done\nexit 78\n")
        with groups(thumbs=path, workers=1) as hive:
            hive.wait_status(lambda status: any(w["state"] == "ready" for w in status["workers"]))
            self.ask(hive, "scale", "hello", "0", says="no more workers|0 workers")
            gone.touch()
            hive.wait_line(r"group thumbs: worker \d+ cannot start", times=2)
            self.ask(hive, "scale", "hello", "1", says="1 worker ready")
            hive.stop()

    def test_a_listener_goes_with_the_last_worker_that_was_wanted(self):
        """Also if that one was only missing: else clients would wait there for nobody."""
        port = free_port()
        hello = f"{program('hello')} --listen tcp://127.0.0.1:{port}"
        with Hive(*HELLO, workers=1, options=("--group", f"b:1:{hello}", "--failures", "1")) as hive:
            hive.wait_ready(2)
            os.kill(next(iter(of(hive, "b").values()))["pid"], signal.SIGABRT)
            hive.wait_line(r"group b: breaker opened")
            self.ask(hive, "scale", "b", "0", says="0 workers")
            self.assertNotIn(f":{port}", [listener["url"][-6:] for listener in hive.status()["listeners"]])
            with self.assertRaises(ConnectionRefusedError):
                connect(f"tcp://127.0.0.1:{port}").close()
            hive.stop()

    def test_names_of_listeners_are_the_first_groups(self):
        hello = f"{program('hello')} --listen web"
        with Hive("hello", "--listen", "web", workers=1, listen=("web=tcp://127.0.0.1:0",),
                  options=("--group", f"b:1:{hello}")) as hive:
            hive.wait_line(r"cannot listen on web: the listener of this name is another group's")
            hive.wait_ready(1)
            hive.stop()


class Options(unittest.TestCase):
    def refuse(self, value, why, code=64):
        with tempfile.TemporaryDirectory(prefix="skep-", dir="/tmp") as folder:
            done = run("skep", "run", "-n", "1", "--dir", folder, "--group", value, "--", program("hello"))
        self.assertEqual(done.code, code, done.describe())
        self.assertRegex(done.output("err"), why)

    def test_what_is_wrong_is_said(self):
        for value in ("", "a", "a:1", ":1:b"):
            self.refuse(value, r"run: --group .*: expected NAME:N:COMMAND, such as thumbs:2:./thumbs")
        self.refuse("a:x:b", "run: --group a:x:b: N is a number of workers, 0 to 1000")
        self.refuse("a:1: ", "run: --group a:1: : COMMAND is empty")
        self.refuse("x" * 65 + ":1:b", "a name has 64 characters at most")
        self.refuse("2a:1:b", "group 2a: a name has 1 to 64 letters")
        self.refuse("hello:1:b", "group hello: there is one already")


if __name__ == "__main__":
    unittest.main()
