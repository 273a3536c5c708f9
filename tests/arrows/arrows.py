#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rooms look into those below them only: includes and calls of functions, held against rooms.def.

broker/broker.h, the state that all rooms of the broker are given, may be included by each of them."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOM = re.compile(r'^ROOM\(([\w/]+), "([^"]*)"\)', re.M)
COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
DEFINITION = re.compile(r"^(?!static|typedef|#)[A-Za-z_][\w ]*[ *](skep_\w+)\([^;{]*\)\s*\{", re.M)
NAME = re.compile(r"\bskep_\w+")
SHARED = "broker/broker.h"


def read_rooms():
    """Each room with all that it stands on; a row comes after the rows it names."""
    rooms = {}
    for name, others in ROOM.findall((Path(__file__).parent / "rooms.def").read_text()):
        below = set(others.split())
        rooms[name] = below.union(*(rooms[other] for other in below - {"*"}))
    return rooms


class House:
    def __init__(self):
        self.rooms = read_rooms()
        self.files = [path for top in ("proto", "lib", "broker") for path in sorted((ROOT / top).rglob("*.[ch]"))
                      if "/include/" not in str(path)]
        self.owners = {name: path for path in self.files if path.suffix == ".c"
                       for name in DEFINITION.findall(path.read_text())}

    def room_of(self, path):
        folder = path.relative_to(ROOT).parent
        while str(folder) not in self.rooms:
            if folder == Path("."):
                raise SystemExit(f"{path.relative_to(ROOT)}: in no room of rooms.def")
            folder = folder.parent
        return str(folder)

    def may_look(self, path, other):
        here, there = self.room_of(path), self.room_of(other)
        return here == there or "*" in self.rooms[here] or there in self.rooms[here]

    def included(self, name):
        found = [ROOT / top / name for top in ("broker", "lib", "proto") if (ROOT / top / name).is_file()]
        return found[0] if found else None

    def looks(self, path):
        """What a file looks into: position, name, the other file."""
        text = path.read_text()
        for match in INCLUDE.finditer(text):
            other = self.included(match[1])
            if other and str(other.relative_to(ROOT)) != SHARED:
                yield match.start(1), match[1], other
        if path.suffix == ".c":
            code = COMMENT_OR_TEXT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
            for match in NAME.finditer(code):
                if match[0] in self.owners:
                    yield match.start(), match[0], self.owners[match[0]]

    def wrong(self):
        for path in self.files:
            for position, name, other in self.looks(path):
                if not self.may_look(path, other):
                    line = path.read_text().count("\n", 0, position) + 1
                    yield (f"{path.relative_to(ROOT)}:{line}: {name} is of {self.room_of(other)}, "
                           f"into which {self.room_of(path)} may not look")


def main():
    found = sorted(set(House().wrong()))
    print("\n".join(found) or "all arrows run the right way")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
