# SPDX-License-Identifier: MIT
"""Writes the seed corpora and the dictionary of frames from proto/commands.def: /usr/bin/python3 tests/fuzz/make_corpus.py

Run it after a change of the table and commit what it wrote. Seeds are small on purpose: a fuzzer grows them by itself.
"""
import re
import struct
import zlib
from pathlib import Path

import msgpack

HERE = Path(__file__).resolve().parent
TABLE = (HERE.parent.parent / "proto" / "commands.def").read_text()
COMMAND = re.compile(r"^COMMAND\((\w+),", re.M)
FIELD = re.compile(r"^FIELD\((\w+), (\w+), (\w+), (\w+),", re.M)
VALUES = {"UINT": 7, "BOOL": True, "STR": "tcp://127.0.0.1:0", "BIN": b"\x00\xff", "LIST": [b"\x00\xff", b"a"]}

BAD_FRAMES = {
    "empty": b"",
    "array-bomb": bytes.fromhex("dd05000000"),
    "array-bomb-in-map": bytes.fromhex("81a178dd05000000"),
    "map-bomb": bytes.fromhex("dfffffffff"),
    "bin-bomb": bytes.fromhex("81a178c6ffffffff"),
    "str-bomb": bytes.fromhex("81a178dbffffffff"),
    "ext-bomb": bytes.fromhex("81a178c9ffffffff01"),
    "depth-8": bytes.fromhex("81a178") + b"\x91" * 7 + b"\x01",
    "depth-9": bytes.fromhex("81a178") + b"\x91" * 8 + b"\x01",
    "never-used-tag": bytes.fromhex("81a178c1"),
    "no-cmd": msgpack.packb({"n": 1}),
    "cmd-number": msgpack.packb({"cmd": 1}),
    "cmd-last": msgpack.packb({"n": 1, "cmd": "incrementRequestCount"}),
    "unknown-command": msgpack.packb({"cmd": "nope", "x": [1, {"y": None}]}),
    "unknown-field": msgpack.packb({"cmd": "ready", "x": 1.5}),
    "negative": msgpack.packb({"cmd": "incrementRequestCount", "n": -1}),
    "over-limit": msgpack.packb({"cmd": "incrementCount", "name": "x" * 65}),
    "needed-missing": msgpack.packb({"cmd": "incrementCount"}),
    "zero-in-text": msgpack.packb({"cmd": "incrementCount", "name": "a\0b"}),
    "key-no-string": msgpack.packb({"cmd": "ready", 1: 2, None: 3}),
    "repeated-field": b"\x83" + msgpack.packb("cmd") + msgpack.packb("stop") + 2 * (msgpack.packb("now") + b"\xc3"),
    "list-no-array": msgpack.packb({"cmd": "completed", "delivery": 1, "results": b"x"}),
    "list-bomb": b"\x83" + msgpack.packb("cmd") + msgpack.packb("completed") + msgpack.packb("delivery") + b"\x01"
                 + msgpack.packb("results") + bytes.fromhex("dd00010000"),
    "list-item-number": msgpack.packb({"cmd": "completed", "delivery": 1, "results": [b"x", 1]}),
    "list-item-nested": msgpack.packb({"cmd": "completed", "delivery": 1, "results": [[b"x"]]}),
    "list-item-over-limit": msgpack.packb({"cmd": "submit", "queue": "q", "number": 1, "jobs": [b""], "keys": [b"x" * 65]}),
    "list-too-long": msgpack.packb({"cmd": "finished", "number": 1, "results": [b""] * 2049}),
    "trailing": msgpack.packb({"cmd": "ready"}) + b"\xc0",
}

URLS = ["tcp://127.0.0.1:8000", "tcp://[::1]:0", "tcp://*:3000", "tcp://:3000", "tcp://localhost:65535", "unix:///tmp/x.sock",
        "tcp://[::ffff:1.2.3.4]:80", "tcp://127.0.0.1", "tcp://127.0.0.1:65536", "tcp://[::1", "unix://relative", "http://x", "web",
        "unix:///" + "x" * 106, "unix:///" + "x" * 107, "tcp://[fe80::1%lo]:1", ""]

SCRIPTS = ["name a\nhandle q concurrency 2\nlisten tcp://127.0.0.1:0\nsubscribe # to broadcasts\n",
           "job q 1..3 attempt 2.. reply \"o\\x6b\"\njob * delay 1.5s reply hex:00ff\njob \"bad\" crash SIGSEGV\n",
           "job 2 work 2m late extend fail \"no \\\"cat\\\"\"\njob 3.. retry 0s x\njob 1 stall 1ms malformed link never",
           "connection 1 refuse\nconnection 2 hold 1s write x close\nconnection * echo\n",
           "message greet reply hi count requests 3\nmessage * send a b broadcast c \"\" leave\n",
           "ready delay 1s malformed outbox\r\nleave exit 0", "job * reply \"x", "job * reply hex:0", "handle \"\\q\"", ""]

# Packed histograms: pairs of a distance and a count, each LEB128
TIMES = ["", "0001", "c30302aa0d01", "d11c01", "00000000", "800081808000", "00ffffffffffffffffff01", "00feffffffffffffffff010001",
         "00feffffffffffffffff0100010001", "d21c01", "00ffffffffffffffffff02", "80", "0080", "000100", "ffffffffffffffffff0101"]

# Replies: scalars, containers, keys of each kind, nesting, what only looks like MessagePack
PACKED = [*map(msgpack.packb, [None, True, 7, -7, 1.5, 2**64 - 1, "text", b"\0\xff", [1, [2]], {"a": {"b": 1}}, {1: 2, None: 3, True: 4},
                               {b"\xff": 1}, msgpack.ExtType(5, b"ab"), "\0"]),
          b"\x81" * 24 + b'\xa1"' + b"\xc0" * 24, b"\x81\x91\x01\x02", b"\x91" * 32 + b"\x90", b"\x91" * 33, bytes.fromhex("dd05000000"),
          bytes.fromhex("ca7f800000"), b"\xa1\xff", b"\x01\x02", b""]

# SP: a byte that chooses the pieces, a greeting, frames
GREETING = b"\0SP\0\0\x50\0\0"
FRAMES = b"".join(b"\1" + len(body).to_bytes(8, "big") + body for body in (b"", b"x", b"frame", b"y" * 300, b""))
STREAMS = [GREETING, GREETING + FRAMES, GREETING + FRAMES[:-3], GREETING + FRAMES[:40], b"\0SP\0\0\x51\0\0", b"GET / HTTP/1.1",
           *(GREETING + b"\1" + size.to_bytes(8, "big") + b"z" for size in (4194304, 4194305, 2**63, 2**64 - 1)),
           GREETING + b"\2" + FRAMES, GREETING[:5], b""]


def commands():
    """Every command's name and its fields as (name, type, needed)."""
    table = {name: [] for name in COMMAND.findall(TABLE)}
    for command, name, kind, need in FIELD.findall(TABLE):
        table[command].append((name, kind, need == "NEEDED"))
    return table


def write(folder, name, data):
    path = HERE / "corpus" / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def write_frames(table):
    for command, fields in table.items():
        packed = {size: msgpack.packb({"cmd": command, **{name: VALUES[kind] for name, kind, needed in fields
                                                           if needed or size == "full"}}) for size in ("bare", "full")}
        write("frame", f"{command}-bare", packed["bare"])
        if packed["full"] != packed["bare"]:
            write("frame", f"{command}-full", packed["full"])
    several = [{"cmd": "incrementRequestCount", "n": 3}, {"cmd": "message", "name": "a", "data": b"b"}, {"cmd": "newsSince", "seq": 4}]
    write("frame", "several", b"".join(map(msgpack.packb, several)))
    for name, data in BAD_FRAMES.items():
        write("frame", f"bad-{name}", data)


def write_dictionary(table):
    words = {"cmd", *table, *(name for fields in table.values() for name, _, _ in fields)}
    lines = ["# SPDX-License-Identifier: MIT", "# Words of frames, each as MessagePack writes it. Written by make_corpus.py."]
    lines += ['"' + "".join(f"\\x{byte:02x}" for byte in msgpack.packb(word)[:1]) + word + '"' for word in sorted(words)]
    tags = ["80", "81", "8f", "90", "9f", "a0", "c0", "c2", "c3", "c4", "c5", "c6", "c7", "c9", "ca", "cb", "cc", "cd", "ce",
            "cf", "d0", "d3", "d4", "d8", "d9", "da", "db", "dc", "dd", "de", "df", "ff", "dd05000000", "dfffffffff"]
    lines += ['"' + "".join(f"\\x{tag[i:i + 2]}" for i in range(0, len(tag), 2)) + '"' for tag in tags]
    (HERE / "fuzz_frame.dict").write_text("\n".join(lines) + "\n")


def varint(number):
    return bytes([number]) if number < 128 else bytes([128 | number >> 7, number & 127])


def number_row(name, value):
    """A row of the table of numbers, with its checksum, as a cell of an index."""
    crc = zlib.crc32(struct.pack("<Q", len(name)) + name + struct.pack("<Q", value))
    head = bytes([13 + 2 * len(name), 1, 6])
    payload = bytes([1 + len(head)]) + head + name + bytes([value]) + struct.pack(">q", crc)
    return varint(len(payload)) + payload


def page(kind, *cells):
    data, at = bytearray(4096), 4096
    head = 12 if kind == 2 else 8
    data[0] = kind
    data[3:5] = len(cells).to_bytes(2, "big")
    for i, cell in enumerate(cells):
        cell = (b"\0\0\0\1" if kind == 2 else b"") + cell
        at -= len(cell)
        data[at:at + len(cell)] = cell
        data[head + 2 * i:head + 2 * i + 2] = at.to_bytes(2, "big")
    return bytes(data)


def write_pages():
    rows = [number_row(b"crashes", 3), number_row(b"last", 100)]
    for kind in (2, 10, 13):
        write("pages", f"kind-{kind}", b"\0" + page(kind, *rows))
    write("pages", "overflow", b"\0" + page(13, varint(9000) + b"\1" + b"\4\0\0\0" + b"x" * 3000) + page(0) * 2)
    write("pages", "log", b"\1" + bytes.fromhex("377f0682002de21800001000") + bytes(20) + bytes(24) + page(10, *rows))


def main():
    table = commands()
    write_frames(table)
    write_dictionary(table)
    write_pages()
    for i, url in enumerate(URLS):
        write("url", f"{i:02}", url.encode())
    for i, script in enumerate(SCRIPTS):
        write("script", f"{i:02}", script.encode())
    for i, times in enumerate(TIMES):
        write("histogram", f"{i:02}", bytes.fromhex(times))
    for i, packed in enumerate(PACKED):
        write("packed", f"{i:02}", packed)
    for i, stream in enumerate(STREAMS):
        for choice in (0, 4, 8, 11):
            write("sp", f"{i:02}-{choice:02}", bytes([choice]) + stream)


if __name__ == "__main__":
    main()
