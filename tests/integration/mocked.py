# SPDX-License-Identifier: MIT
"""Hives whose workers follow a script: skep run -- skep mock worker --script FILE.

    with Mocked("handle q", "job 1 never", workers=1, options=["--lease", "1"]) as hive, Submitter(hive.folder) as submitter:
        submitter.submit("q", 1)
"""
import tempfile
from pathlib import Path

from hive import Hive


class Mocked(Hive):
    """lines: of the script."""

    def __init__(self, *lines, **options):
        self.scripts = tempfile.TemporaryDirectory(prefix="skep-script-")
        self.script = Path(self.scripts.name, "worker")
        self.script.write_text("".join(f"{line}\n" for line in lines))
        super().__init__("skep", "mock", "worker", "--script", str(self.script), **options)

    def __exit__(self, *error):
        try:
            super().__exit__(*error)
        finally:
            self.scripts.cleanup()

    def rewrite(self, *lines):
        """Workers that start from now on follow this."""
        self.script.write_text("".join(f"{line}\n" for line in lines))
