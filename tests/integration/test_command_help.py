#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""skep help, the man page and the completions: that nothing of the tables is missing in them, that typing errors are
understood, and that the shells offer what there is and run nothing of what a broker tells."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from fake_broker import FakeHive, pack, queue
from hive import Hive, program, run

MANUAL = Path(program("skep")).parent.parent / "manual"
VILE = "$(touch vile)`touch vile`;touch vile"


def help_of(*command):
    done = run("skep", "help", *command)
    assert done.code == 0, done.describe()
    return done.output("out")


def subcommands():
    """All that skep help lists, but mock's."""
    return [name for name in re.findall(r"^  (\w+)  +\S", help_of(), re.M) if name not in ("mock", "skep")]


def options_of(command):
    return re.findall(r"^  (?:-\w, |    )--([a-z-]+)", help_of(*command.split()), re.M)


ALL = [name for name in subcommands() if name not in ("help", "version")] + ["mock"]


class Help(unittest.TestCase):
    def test_every_command_has_an_example_that_names_it(self):
        self.assertGreater(len(ALL), 20)
        for name in ALL:
            text = help_of(name)
            self.assertRegex(text, rf"\Ausage: skep {name} ")
            self.assertRegex(text, rf"\nexample: skep .*{name}.*\Z")
            self.assertEqual(run("skep", name, "--help").output("out"), text)

    def test_options_and_what_they_mean_stand_in_two_columns(self):
        for name in ALL:
            for text in help_of(name).split("\n\nusage: "):
                starts = {found.end() for line in text.split("\n")
                          if (found := re.match(r"  (-\w, |    )--\S+( \S+)?  +(?=\S)", line))}
                options = re.findall(r"(?m)^  (?:-\w, |    )--", text)
                self.assertEqual(len(starts), 1, text)
                self.assertGreater(len(options), 0)

    def test_who_takes_a_worker_says_what_that_is(self):
        for name in ALL:
            if re.search(r"\Ausage: .*\] ?\[?WORKER\b|OPTION\]\.\.\. WORKER( SIGNAL)?$", help_of(name), re.M) \
                    and name not in ("send", "call"):
                self.assertIn("\nWORKER is an id, as shown by skep status.\n", help_of(name))

    def test_help_about_help(self):
        for words in (("help", "--help"), ("help", "-h"), ("help", "help"), ("--help",), ("-h",), ("-h", "--help"),
                      ("version", "--help"), ("help", "version")):
            done = run("skep", *words)
            self.assertEqual((done.code, done.output("out"), done.output("err")), (0, help_of(), ""), words)

    def test_that_jobs_are_in_memory_only_is_said(self):
        for name in ("run", "stop"):
            self.assertIn("\nJobs that are not durable (--jobs, durable=yes) are kept in the memory of the broker only: those that\n"
                          "are not done when it ends are lost.\n", help_of(name))
        self.assertIn("Jobs are kept in its memory only", (MANUAL / "skep.1").read_text())

    def test_the_keys_of_a_queue_are_listed(self):
        text, page = help_of("run"), (MANUAL / "skep.1").read_text()
        for key in ("lease", "attempts", "concurrency", "credit", "backoff", "interruptions"):
            self.assertRegex(text, rf"(?m)^  {key}=[A-Z.\[\]]+ +\S")
            self.assertRegex(page, rf"(?m)^\\fB{key}\\fR=")

    def test_the_first_steps_lead_on(self):
        steps = re.search(r"First steps:\n(.*?)\n\n", help_of(), re.S).group(1)
        names = re.findall(r"^  skep (\w+)", steps, re.M)
        for name in ("top", "exits", "reload", "scale", "stop"):
            self.assertIn(name, names)
        self.assertLessEqual(set(names), set(ALL))

    def test_no_line_is_wider_than_a_terminal_of_120(self):
        for text in (help_of(), *map(help_of, ALL)):
            self.assertLessEqual(max(map(len, text.split("\n"))), 120, text)

    def test_times_are_explained(self):
        for name in ALL:
            text = help_of(name)
            self.assertEqual("\nTIME is a number of seconds, " in text, bool(re.search(r"--\S+ TIME ", text)), name)
            self.assertNotIn("SECONDS", text)

    def test_typing_errors(self):
        for typed, meant in (("relaod", "reload"), ("reloa", "reload"), ("stats", "status"), ("scalee", "scale"),
                             ("tpo", "top"), ("hlep", "help"), ("verison", "version"), ("exit", "exits")):
            done = run("skep", typed)
            self.assertEqual((done.code, done.output()), (64, f"skep: {typed}: unknown command; did you mean {meant}?"))
            self.assertEqual(run("skep", "help", typed).output(), done.output())
        for typed in ("xyz", "t", "", "complet", "frobnicate"):
            self.assertEqual(run("skep", typed).output(), f"skep: {typed}: unknown command; skep help lists the commands")


class NoBroker(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="skep-", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.root = Path(self.folder, "skep")
        self.root.mkdir(mode=0o700)

    def says(self, pattern, *arguments, **env):
        done = run("skep", *arguments, env={"SKEP_DIR": "", "XDG_RUNTIME_DIR": self.folder, **env})
        self.assertEqual(done.code, 69, done.describe())
        self.assertRegex(done.output(), rf"\Askep: {pattern}\Z")

    def test_it_says_where_it_looked_and_what_runs_there(self):
        where = re.escape(str(self.root))
        self.says(f"no broker in {where}/default", "status")
        Path(self.root, "dead").mkdir()
        Path(self.root, "dead", "lock").write_text("1 1 dead\n")
        with Hive("hello", "--listen", "tcp://127.0.0.1:0", workers=1, folder=str(self.root / "web")) as web, \
                Hive("hello", "--listen", "tcp://127.0.0.1:0", workers=1, folder=str(self.root / "api")) as api:
            web.wait_ready(1)
            api.wait_ready(1)
            self.says(rf"no broker in {where}/default; running: api, web \(--name\)", "status")
            self.says(rf"no broker in {where}/other; running: api, web \(--name\)", "reload", "--name", "other")
            self.says(f"no broker in {where}/x", "status", "--dir", str(self.root / "x"))
            self.says(rf"no broker in {where}/y \(SKEP_DIR\)", "status", SKEP_DIR=str(self.root / "y"))
            done = run("skep", "complete", "instances", env={"XDG_RUNTIME_DIR": self.folder})
            self.assertEqual((done.code, done.output()), (0, "api\nweb"))


def defaults_of(command):
    """What the help says of the options that have a default."""
    rows = re.findall(r"^  (?:-\w, |    )--([a-z-]+).* \(default: (.*)\)$", help_of(command), re.M)
    return {name: value for name, value in rows if name not in ("name", "dir")}


def rows_of(page, heading):
    """The tables of a section: the options of the first cell, and the last cell."""
    section = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", page, re.M | re.S).group(1)
    for line in re.findall(r"^\| `-.*\|$", section, re.M):
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        yield re.findall(r"--([a-z-]+)", cells[0]), cells[-1]


class Pages(unittest.TestCase):
    RUNNING = Path(os.environ["SKEP_SOURCE"], "docs", "running.md").read_text(encoding="utf-8")

    def test_running_has_every_option(self):
        """By its long name, or its letter."""
        for name in ALL:
            rows = re.findall(r"^  (?:(-\w), |    )(--[a-z-]+)", help_of(name), re.M)
            missing = [option for letter, option in rows if option not in ("--help", "--script")
                       and not re.search(rf"{option}\b" + (rf"|[`\[]{letter}\b" if letter else ""), self.RUNNING)]
            self.assertEqual(missing, [], name)

    def test_running_and_help_agree_on_defaults(self):
        wanted = defaults_of("run")
        self.assertGreater(len(wanted), 20)
        for options, values in rows_of(self.RUNNING, "skep run"):
            for option, value in zip(options, values.replace("`SKEP_POLICY`, else ", "").split(", ")):
                self.assertEqual((option, value), (option, wanted.pop(option, value)))
        self.assertEqual(wanted, {})

    def all_options(self):
        return sorted({option for name in ALL for option in options_of(name)})

    def check_all(self, text, command, option):
        """Each command and each option is there, by the patterns for them."""
        for name in ALL:
            self.assertRegex(text, re.compile(command.format(name), re.M))
        self.assertGreater(len(self.all_options()), 30)
        for name in self.all_options():
            self.assertRegex(text, re.compile(option.format(name), re.M))

    def test_man(self):
        text = (MANUAL / "skep.1").read_text()
        plain = text.replace("\\-", "-")
        self.check_all(plain, r"^\\fBskep {}(\\fR| )", r"\\fB--{}\\fR")
        for status in ("ENOBROKER", "ENOLISTENER", "EUNDERWAY", "EABORTED"):
            self.assertIn(f"({status})", plain)
        self.assertNotRegex(text, "(?m)^@")
        self.assertNotIn("complete", plain)

    def test_man_is_clean(self):
        checks = [["groff", "-man", "-ww", "-z"], ["mandoc", "-T", "lint", "-W", "error"]]
        for check in checks:
            if not shutil.which(check[0]):
                continue
            done = subprocess.run([*check, MANUAL / "skep.1"], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_completions(self):
        self.check_all((MANUAL / "skep").read_text(), r"_skep_offer.* {}\b", r"'.* --{}[ '].*")
        self.check_all((MANUAL / "_skep").read_text(), r"^ +'{}:", r"--{}[}}\[]")
        self.check_all((MANUAL / "skep.fish").read_text(), r"-a {} -d", r"-l {} ")

    def test_completions_are_syntax(self):
        for shell, name in (("bash", "skep"), ("zsh", "_skep"), ("fish", "skep.fish")):
            if not shutil.which(shell):
                continue
            done = subprocess.run([shell, "-n", MANUAL / name], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""), shell)


class Asked(unittest.TestCase):
    """What completions offer of a running hive."""

    def setUp(self):
        self.broker = FakeHive(3, 14)
        self.addCleanup(self.broker.__exit__)
        self.broker.answers["queues"] = lambda _: queue("mail") + queue(VILE) + queue("thumbs")
        status = self.broker.answers["status"]
        listener = {"url": "tcp://*:80", "accepted": 0, "queued": 0, "paused": False}
        self.broker.answers["status"] = lambda question: (
            status(question) + pack("listenerStatus", name="web", **listener) + pack("listenerStatus", **listener))

    def here(self, name, *words):
        return self.offers(name, "--dir", self.broker.folder, *words)


class Bash(Asked):
    def offers(self, *words):
        """What bash offers for the last word."""
        script = ('. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _skep; '
                  'for word in "${COMPREPLY[@]}"; do printf "%s\\n" "$word"; done')
        done = subprocess.run(["bash", "-c", script, "-", MANUAL / "skep", program("skep"), *words], text=True,
                              capture_output=True, cwd=self.broker.folder, timeout=20)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    def test_commands_and_options(self):
        self.assertEqual(sorted(self.offers("")), sorted([*ALL, "help", "version"]))
        self.assertEqual(self.offers("re"), ["reload", "restart", "resume"])
        self.assertEqual(self.offers("help", "rel"), ["reload"])
        self.assertEqual(self.offers("mock", ""), ["worker", "broker"])
        self.assertEqual(self.offers("mock", "worker", "--s"), ["--script"])
        self.assertEqual(self.offers("reload", "--at"), ["--at-once"])
        self.assertEqual(self.offers("frobnicate", ""), [])
        for name in ALL[:-1]:
            self.assertEqual(sorted(self.offers(name, "--")), sorted(f"--{option}" for option in options_of(name)))

    def test_values(self):
        self.assertEqual(self.offers("run", "--policy", "r"), ["round-robin", "reuseport"])
        self.assertEqual(self.offers("run", "--policy", "=", "st"), ["sticky"])
        self.assertEqual(self.offers("run", "--policy", "="),
                         ["round-robin", "least-connections", "sticky", "shared", "reuseport"])
        self.assertEqual(self.offers("run", "-n", ""), [])
        Path(self.broker.folder, "a-folder").mkdir()
        self.assertEqual(self.offers("status", "--dir", "a-f"), ["a-folder"])
        self.assertEqual(self.here("dead", "--queue", ""), ["mail", "thumbs"])
        self.assertEqual(self.here("pause", "--listener", ""), ["web"])

    def test_operands(self):
        self.assertEqual(self.here("drain", ""), ["3", "14"])
        self.assertEqual(self.here("drain", "1"), ["14"])
        self.assertEqual(self.here("drain", "14", ""), [])
        self.assertEqual(self.here("signal", "3", "US"), ["USR1", "USR2"])
        self.assertEqual(self.here("signal", ""), ["3", "14"])
        self.assertEqual(self.here("pause", ""), ["web", "mail", "thumbs"])
        self.assertEqual(self.here("dead", ""), ["list", "retry", "drop"])
        self.assertEqual(self.here("dead", "retry", "m"), ["mail"])
        self.assertEqual(self.offers("drain", ""), [])

    def test_names_of_others_are_no_commands(self):
        self.here("peek", "")
        self.here("peek", "$")
        self.assertFalse(os.path.exists(self.broker.path("vile")))

    def test_what_is_no_kind(self):
        done = self.broker.skep("complete", "nothing")
        self.assertEqual((done.code, done.output()), (64, "skep: complete: nothing: unknown kind"))


@unittest.skipUnless(shutil.which("fish"), "fish is not installed")
class Fish(Asked):
    def offers(self, *words):
        """What fish offers for the last word, by the alphabet."""
        script = 'source $argv[1]; complete -C "$argv[2..-1]"'
        done = subprocess.run(["fish", "-c", script, MANUAL / "skep.fish", program("skep"), *words], text=True,
                              capture_output=True, cwd=self.broker.folder, timeout=20,
                              env={**os.environ, "HOME": self.broker.folder})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return sorted(line.split("\t")[0] for line in done.stdout.split("\n") if line)

    def test_all(self):
        self.assertEqual(self.offers(""), sorted([*ALL, "help", "version"]))
        self.assertEqual(self.offers("help", "rel"), ["reload"])
        self.assertEqual(self.offers("mock", ""), ["broker", "worker"])
        self.assertEqual(self.offers("reload", "--at-"), ["--at-once"])
        self.assertEqual(self.offers("run", "--policy", "r"), ["reuseport", "round-robin"])
        self.assertEqual(self.here("drain", ""), ["14", "3"])
        self.assertEqual(self.here("drain", "3", ""), [])
        self.assertEqual(self.here("signal", "3", "US"), ["USR1", "USR2"])
        self.assertEqual(self.here("pause", ""), ["mail", "thumbs", "web"])
        self.assertEqual(self.here("dead", ""), ["drop", "list", "retry"])
        self.assertFalse(os.path.exists(self.broker.path("vile")))


if __name__ == "__main__":
    unittest.main()
