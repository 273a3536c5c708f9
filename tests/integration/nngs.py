# SPDX-License-Identifier: MIT
"""The NNGs that tests run peers with: the system's, and those in the folders of $SKEP_NNG_LIBRARIES, separated by
colons, as `./dev interop` lays them out. Each folder has nng/, where NNG's packages and those of the libraries that it
needs were unpacked, and perhaps libc/, with the C library of the same Debian, for where the system's is too old for it.

    class Something(Case):
        def test_something(self):
            with Broker(self.nng_worker(), workers=2) as hive:
                subprocess.run(self.nng.command(path_of("nng_client"), ...))

    def load_tests(loader, *_):
        return for_each_nng(loader, Something)

Whether Skep's own code uses NNG's sockets each process is told by itself, by SKEP_TRANSPORT.
"""
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from hive import Hive, program

os.environ.pop("SKEP_TRANSPORT", None)

ENV = "/usr/bin/env"
QUEUE = "q"
INTERVAL_S = 0.2


def path_of(name):
    """A program of programs/, in $SKEP_TEST_BIN or where the build puts it beside $SKEP_BIN."""
    folder = os.environ.get("SKEP_TEST_BIN")
    return str(Path(folder or Path(program("skep")).parent.parent / "tests/integration").resolve() / name)


def version_with(prefix):
    """Which NNG a program of NNG's sockets says that it runs with; None if it does not run."""
    told = subprocess.run([*prefix, path_of("nng_client")], capture_output=True, text=True, check=False)
    found = re.match(r"NNG (\S+)\n", told.stdout)
    return found and found[1]


class Nng:
    """One version of NNG: the system's, or that of a folder."""

    def __init__(self, folder=None):
        self.folder = folder and Path(folder).resolve()
        self.libnng = self._find_libnng() if folder else None
        self.prefix = self._find_prefix() if folder else []
        self.version = version_with(self.prefix)
        if not self.version:
            raise AssertionError(f"{path_of('nng_client')} does not run with NNG of {self.folder or 'the system'}")
        self.label = self.version.replace(".", "_")

    def _find_libnng(self):
        found = next(self.folder.glob("nng/**/libnng.so.1"), None)
        if not found:
            raise AssertionError(f"no libnng.so.1 in {self.folder}")
        return found.resolve()

    def _find_prefix(self):
        """What runs a program with it: the library alone, or the whole with the loader of its own Debian."""
        wanted = self.libnng.name.removeprefix("libnng.so.")
        for prefix in self._prefixes(self.libnng.parent):
            if version_with(prefix) == wanted:
                return prefix
        raise AssertionError(f"nothing runs with {self.libnng} on this system")

    def _prefixes(self, libraries):
        yield [ENV, f"LD_LIBRARY_PATH={libraries}"]
        for libc in self.folder.glob("libc/**/libc.so.6"):
            for loader in libc.parent.glob("ld-linux*.so.*"):
                yield [str(loader), "--library-path", f"{libraries}:{libc.parent}"]

    def is_loaded_by(self, pid):
        """Whether a process has this NNG in its memory and no other."""
        maps = Path(f"/proc/{pid}/maps").read_text()
        found = {path for path in re.findall(r"/\S+$", maps, re.MULTILINE) if "/libnng.so" in path}
        return found == {str(self.libnng)} if self.libnng else len(found) == 1

    def command(self, path, *args):
        return [*self.prefix, path, *args]

    def tool(self):
        """Its nngcat as a command, or None if it is not installed."""
        path = self.folder / "nng/usr/bin/nngcat" if self.folder else shutil.which("nngcat")
        return [*self.prefix, str(path)] if path and os.path.exists(path) else None


SYSTEM = Nng()
NNGS = [SYSTEM, *map(Nng, filter(None, os.environ.get("SKEP_NNG_LIBRARIES", "").split(":")))]


class Broker(Hive):
    """skep run -- WORKER..., where a worker is a whole command; over NNG's sockets if an NNG is given."""

    def __init__(self, worker, nng=None, **options):
        self.prefix = [ENV, "SKEP_TRANSPORT=nng", *nng.prefix] if nng else []
        super().__init__(*worker, interval_s=INTERVAL_S, **options)

    def _run_options(self, *args):
        return self.prefix + super()._run_options(*args)


class Case(unittest.TestCase):
    nng = SYSTEM  # which strangers, and those of Skep's processes that use NNG's sockets, run with

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="skep-nng-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def nng_worker(self):
        return self.nng.command(path_of("nng_worker"), QUEUE)


def for_each_nng(loader, *cases, others=()):
    """The suite of test cases, each again for every other NNG, as its attribute nng; the others once."""
    again = [type(f"{case.__name__}_{nng.label}", (case,), {"nng": nng}) for nng in NNGS[1:] for case in cases]
    return unittest.TestSuite(map(loader.loadTestsFromTestCase, [*cases, *again, *others]))
