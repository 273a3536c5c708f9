# SPDX-License-Identifier: MIT
"""What docs/protocol.md describes, and nothing of Skep's own code: NNG's wire format over Unix sockets, frames of
MessagePack commands, and the link with descriptors. Standard library and msgpack only."""
import collections
import math
import mmap
import os
import socket
import struct

import msgpack

PROTOCOL = 1
LINK_FD, PAGE_FD = 3, 4
PAGE_BYTES, PAGE_MAGIC = 4096, 0x31656761702d6b73
MAX_FRAME, MAX_LINK, MAX_BATCH, MAX_LIST = 4 * 1024 * 1024, 64 * 1024, 253, 2048

# NNG's protocol numbers
PUB, SUB, REQ, REP, PUSH, PULL = 0x20, 0x21, 0x30, 0x31, 0x50, 0x51


def pack(cmd, **fields):
    """One command; fields that are None are absent."""
    return msgpack.packb({"cmd": cmd, **{name: value for name, value in fields.items() if value is not None}})


def unpack(frame):
    """The commands of a frame."""
    unpacker = msgpack.Unpacker(raw=False, strict_map_key=False)
    unpacker.feed(frame)
    return list(unpacker)


# --- histograms of durations ---


def cell_of(duration_ns):
    """Cells of 128 ns for the first 256 of them, then 128 for each doubling."""
    units = min(duration_ns, 3600 * 10**9) >> 7
    doublings = max(units.bit_length() - 8, 0)
    return doublings * 128 + (units >> doublings)


def greatest_of(cell):
    """The longest duration that a cell counts."""
    doublings = max(cell // 128 - 1, 0)
    return ((cell - doublings * 128 + 1) << doublings + 7) - 1


def leb128(number):
    data = bytearray()
    while number > 0x7f:
        data.append(number & 0x7f | 0x80)
        number >>= 7
    return bytes(data) + bytes([number])


def pack_times(durations_ns):
    """For each cell that counts something: how many are skipped before it, and its count."""
    counts = collections.Counter(map(cell_of, durations_ns))
    data, following = b"", 0
    for cell in sorted(counts):
        data += leb128(cell - following) + leb128(counts[cell])
        following = cell + 1
    return data


def unpack_times(data):
    """The counts by cell."""
    numbers, number, shift = [], 0, 0
    for byte in data:
        number, shift = number | (byte & 0x7f) << shift, shift + 7
        if byte < 0x80:
            numbers.append(number)
            number = shift = 0
    counts, following = collections.Counter(), 0
    for skipped, count in zip(numbers[::2], numbers[1::2], strict=True):
        counts[following + skipped] += count
        following += skipped + 1
    return counts


def quantile_ms(counts, share):
    """What this share of all durations does not exceed."""
    rank = max(math.ceil(share * counts.total()), 1)
    for cell in sorted(counts):
        rank -= counts[cell]
        if rank <= 0:
            return greatest_of(cell) / 10**6


class Page:
    """Descriptor 4: memory that a worker shares with the broker."""
    MAGIC, BEATS, BEGUN, RUNNING, WRITES = 0, 8, 16, 24, 32

    def __init__(self):
        self.memory = mmap.mmap(PAGE_FD, PAGE_BYTES)
        os.close(PAGE_FD)
        if self.read(self.MAGIC) != PAGE_MAGIC:
            raise ConnectionError("descriptor 4 is no page")

    def read(self, offset):
        return struct.unpack_from("=Q", self.memory, offset)[0]

    def write(self, offset, value):
        struct.pack_into("=Q", self.memory, offset, value)

    def beat(self):
        self.write(self.BEATS, self.read(self.BEATS) + 1)


class Pipe:
    """One NNG pipe over ipc: eight bytes each way, then messages with a length before them."""

    def __init__(self, url, protocol, timeout_s=10):
        self.buffer = bytearray()
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout_s)
        self.sock.connect(url.removeprefix("ipc://"))
        self.sock.sendall(b"\0SP\0" + struct.pack(">HH", protocol, 0))
        while len(self.buffer) < 8:
            self._more()
        magic, self.peer, _ = struct.unpack(">4sHH", self.buffer[:8])
        del self.buffer[:8]
        if magic != b"\0SP\0":
            raise ConnectionError(f"not NNG: {magic!r}")

    def fileno(self):
        return self.sock.fileno()

    def send(self, body):
        self.sock.sendall(b"\x01" + struct.pack(">Q", len(body)) + body)

    def _more(self):
        data = self.sock.recv(1 << 16)
        if not data:
            raise ConnectionError("the other side has closed")
        self.buffer += data

    def _take(self):
        """The next message if it is complete, else None."""
        if len(self.buffer) < 9:
            return None
        size = struct.unpack(">Q", self.buffer[1:9])[0]
        if size > MAX_FRAME:
            raise ConnectionError(f"a message of {size} bytes")
        if len(self.buffer) < 9 + size:
            return None
        body = bytes(self.buffer[9:9 + size])
        del self.buffer[:9 + size]
        return body

    def receive(self):
        """Waits for one message."""
        while (body := self._take()) is None:
            self._more()
        return body

    def receive_ready(self):
        """After the socket became readable: what is complete by now."""
        self._more()
        bodies = []
        while (body := self._take()) is not None:
            bodies.append(body)
        return bodies

    def close(self):
        self.sock.close()


class Asker:
    """The control socket: one request, one answer."""

    def __init__(self, url):
        self.pipe = Pipe(url, REQ)
        self.number = 0

    def ask_raw(self, body):
        self.number += 1
        header = struct.pack(">I", 0x80000000 | self.number)
        self.pipe.send(header + body)
        while True:
            answer = self.pipe.receive()
            if answer[:4] == header:
                return answer[4:]

    def ask(self, cmd, **fields):
        return unpack(self.ask_raw(pack(cmd, **fields)))

    def close(self):
        self.pipe.close()


class Link:
    """The worker's end of the link."""

    def __init__(self, fd=LINK_FD):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=fd)
        self.sock.setblocking(True)
        os.set_inheritable(fd, False)

    def fileno(self):
        return self.sock.fileno()

    def send(self, *commands):
        self.sock.send(b"".join(commands))

    def receive(self):
        """One message as (commands, descriptors); None at the end."""
        try:
            data, fds, _, _ = socket.recv_fds(self.sock, MAX_LINK, MAX_BATCH, socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            return None
        return (unpack(data), fds) if data else None

    def close(self):
        self.sock.close()


def control_url(folder):
    """Where the broker of a directory answers, from its lock file: PID GENERATION NAME."""
    with open(os.path.join(folder, "lock")) as lock:
        generation = lock.read().split()[1]
    return f"ipc://{folder}/control.{generation}"
