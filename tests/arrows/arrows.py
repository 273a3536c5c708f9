#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rooms look into those below them only, and only by the front door: includes and calls of functions, held against
rooms.def; and of another room of the broker no header is included but its contract, ROOM/ROOM.h. Files of one room
stand on each other, too: none calls another one round about.

broker/broker.h, what all rooms of the broker are given, may be included by each of them. broker/base is a shelf of
small tools, each with a header of its own, as the rooms of proto/ and lib/ are."""
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOM = re.compile(r'^ROOM\(([\w/]+), "([^"]*)"\)', re.M)
COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
DEFINITION = re.compile(r"^(?!static|typedef|#)[A-Za-z_][\w ]*[ *](skep_\w+)\([^;{]*\)\s*\{", re.M)
NAME = re.compile(r"\bskep_\w+")
TOPS = ("proto", "lib", "broker")  # each sees its own headers first, then those of the tops before it
SHARED = "broker/broker.h"
SHELF = "broker/base"


def read_rooms(table):
    """Each room with all that it stands on; a row comes after the rows it names."""
    rooms = {}
    for name, others in ROOM.findall(table):
        below = set(others.split())
        rooms[name] = below.union(*(rooms[other] for other in below - {"*"}))
    return rooms


def reachable(start, calls):
    """All that a file calls, and what that calls, and so on."""
    found, todo = set(), [start]
    while todo:
        for other in calls[todo.pop()]:
            if other not in found:
                found.add(other)
                todo.append(other)
    return found


class House:
    def __init__(self, root, table):
        self.root = root
        self.rooms = read_rooms(table)
        self.files = [path for top in TOPS for path in sorted((root / top).rglob("*.[ch]"))
                      if "/include/" not in str(path)]
        self.owners = {name: path for path in self.files if path.suffix == ".c"
                       for name in DEFINITION.findall(path.read_text())}

    def name_of(self, path):
        return str(path.relative_to(self.root))

    def room_of(self, path):
        folder = path.relative_to(self.root).parent
        while str(folder) not in self.rooms:
            if folder == Path("."):
                raise SystemExit(f"{self.name_of(path)}: in no room of rooms.def")
            folder = folder.parent
        return str(folder)

    def may_look(self, path, other):
        here, there = self.room_of(path), self.room_of(other)
        return here == there or "*" in self.rooms[here] or there in self.rooms[here]

    def contract_of(self, room):
        """None: any of its headers may be included."""
        contract = self.root / room / f"{Path(room).name}.h"
        has_one = room.startswith("broker/") and room != SHELF and contract.is_file()
        return contract if has_one else None

    def included(self, path, name):
        tops = TOPS[:TOPS.index(path.relative_to(self.root).parts[0]) + 1]
        found = [self.root / top / name for top in reversed(tops) if (self.root / top / name).is_file()]
        return found[0] if found else None

    def includes(self, path):
        """What a file includes: position, name, the other file."""
        for match in INCLUDE.finditer(path.read_text()):
            other = self.included(path, match[1])
            if other and self.name_of(other) != SHARED:
                yield match.start(1), match[1], other

    def calls(self, path):
        if path.suffix != ".c":
            return
        code = COMMENT_OR_TEXT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), path.read_text())
        for match in NAME.finditer(code):
            if match[0] in self.owners:
                yield match.start(), match[0], self.owners[match[0]]

    def why_not(self, path, name, other, is_include):
        here, there = self.room_of(path), self.room_of(other)
        if not self.may_look(path, other):
            return f"{name} is of {there}, into which {here} may not look"
        contract = self.contract_of(there)
        if is_include and here != there and other.suffix == ".h" and contract not in (None, other):
            return f"{name} is not the contract of {there}, which is {contract.name}"
        return None

    def circles(self):
        """Sets of files of which each reaches each other by calls: in words, a call of each."""
        calls = {path: {other: (position, name) for position, name, other in self.calls(path) if other != path}
                 for path in self.files}
        reached = {path: reachable(path, calls) for path in self.files}
        for path in self.files:
            circle = [other for other in self.files if other in reached[path] and path in reached[other]]
            if circle and circle[0] == path:
                said = [f"{self.name_of(one)}:{self.line_of(one, position)} calls {name} of {self.name_of(other)}"
                        for one in circle for other, (position, name) in calls[one].items() if other in circle]
                yield f"{self.room_of(path)}: a circle of {len(circle)} files: {'; '.join(said)}"

    def line_of(self, path, position):
        return path.read_text().count("\n", 0, position) + 1

    def wrong(self):
        for path in self.files:
            looks = [(*look, True) for look in self.includes(path)] + [(*look, False) for look in self.calls(path)]
            for position, name, other, is_include in looks:
                why = self.why_not(path, name, other, is_include)
                if why:
                    yield f"{self.name_of(path)}:{self.line_of(path, position)}: {why}"
        yield from self.circles()


def main():
    found = sorted(set(House(HERE.parents[1], (HERE / "rooms.def").read_text()).wrong()))
    print("\n".join(found) or "all arrows run the right way")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
