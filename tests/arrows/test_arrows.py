#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What arrows.py names, in houses made for it."""
import tempfile
import unittest
from pathlib import Path

from arrows import House

TABLE = """ROOM(proto, "")
ROOM(lib/worker, "proto")
ROOM(broker/base, "lib/worker")
ROOM(broker/cellar, "broker/base")
ROOM(broker/attic, "broker/cellar")
ROOM(broker, "*")
"""
HOUSE = {
    "proto/url.h": "",
    "lib/worker/private.h": "",
    "lib/worker/core.c": '#include "worker/private.h"\n#include "url.h"\n',
    "broker/broker.h": "",
    "broker/base/heap.h": "",
    "broker/cellar/cellar.h": '#include "broker.h"\n',
    "broker/cellar/private.h": '#include "cellar/cellar.h"\n',
    "broker/cellar/wine.c": '#include "cellar/private.h"\n\nint skep__wine(void) {\n    return 1;\n}\n',
    "broker/attic/attic.h": '#include "broker.h"\n',
    "broker/attic/private.h": '#include "attic/attic.h"\n',
    "broker/attic/box.c": '#include "attic/private.h"\n#include "base/heap.h"\n#include "cellar/cellar.h"\n\n'
                          'int skep__box(void) {\n    return skep__wine();\n}\n',
}


class Arrows(unittest.TestCase):
    def wrong(self, table=TABLE, **changed):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {**HOUSE, **changed}.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return list(House(Path(folder), table).wrong())

    def test_a_house_in_order(self):
        self.assertEqual(self.wrong(), [])

    def test_a_private_header_of_another_room(self):
        self.assertEqual(self.wrong(**{"broker/attic/lid.c": '\n#include "cellar/private.h"\n'}),
                         ["broker/attic/lid.c:2: cellar/private.h is not the contract of broker/cellar, "
                          "which is cellar.h"])

    def test_an_other_header_of_another_room(self):
        found = self.wrong(**{"broker/cellar/shelf.h": "", "broker/attic/lid.h": '#include "cellar/shelf.h"\n'})
        self.assertEqual(found, ["broker/attic/lid.h:1: cellar/shelf.h is not the contract of broker/cellar, "
                                 "which is cellar.h"])

    def test_the_assembly_keeps_to_contracts_too(self):
        self.assertEqual(len(self.wrong(**{"broker/main.c": '#include "cellar/private.h"\n'})), 1)

    def test_an_include_that_runs_up(self):
        self.assertEqual(self.wrong(**{"broker/cellar/rack.c": '#include "attic/attic.h"\n'}),
                         ["broker/cellar/rack.c:1: attic/attic.h is of broker/attic, "
                          "into which broker/cellar may not look"])

    def test_a_call_that_runs_up(self):
        found = self.wrong(**{"broker/cellar/rack.c": "int skep__rack(void) {\n    return skep__box();\n}\n"})
        self.assertEqual(found, ["broker/cellar/rack.c:2: skep__box is of broker/attic, "
                                 "into which broker/cellar may not look"])

    def test_a_circle_of_files(self):
        body = "int skep__{}(void) {{\n    return skep__{}();\n}}\n"
        found = self.wrong(**{"broker/attic/a.c": body.format("a", "b"), "broker/attic/b.c": body.format("b", "c"),
                              "broker/attic/c.c": body.format("c", "a"), "broker/attic/d.c": body.format("d", "a")})
        self.assertEqual(found, ["broker/attic: a circle of 3 files: "
                                 "broker/attic/a.c:2 calls skep__b of broker/attic/b.c; "
                                 "broker/attic/b.c:2 calls skep__c of broker/attic/c.c; "
                                 "broker/attic/c.c:2 calls skep__a of broker/attic/a.c"])

    def test_what_only_looks_like_a_call(self):
        text = '/* skep__box() */\nconst char *of = "skep__box()";\n'
        self.assertEqual(self.wrong(**{"broker/cellar/rack.c": text}), [])


if __name__ == "__main__":
    unittest.main()
