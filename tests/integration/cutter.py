# SPDX-License-Identifier: MIT
"""Cuts connections between processes that both live.

A Unix socket has no way to be cut from outside, so its descriptor is copied out of one of its processes, with
pidfd_getfd(2), and the copy is shut down: then both ends see the end of the connection. What has arrived by then can
still be read; losing=True takes that out of the socket, as if it had been lost on the way.

    cut(hive.pid, f"{hive.folder}/outbox.", peer=worker, losing=True)
"""
import contextlib
import ctypes
import errno
import os
import socket
import struct

from faults import stopped
from hive import wait_until

PIDFD_OPEN, PIDFD_GETFD = 434, 438  # the same numbers on all machines
CHUNK_BYTES = 1 << 16
libc = ctypes.CDLL(None, use_errno=True)


def system_call(number, *arguments):
    result = libc.syscall(number, *map(ctypes.c_long, arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


@contextlib.contextmanager
def pidfd(pid):
    fd = system_call(PIDFD_OPEN, pid, 0)
    try:
        yield fd
    finally:
        os.close(fd)


def may_cut():
    """Whether this process may copy descriptors of its children."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    try:
        with pidfd(child) as fd:
            os.close(system_call(PIDFD_GETFD, fd, read, 0))
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOSYS):
            raise
        return False
    finally:
        os.close(read)
        os.close(write)
        os.waitpid(child, 0)
    return True


def sockets(pid):
    """Numbers of the descriptors of a process that are sockets."""
    for entry in os.scandir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(entry.path).startswith("socket:"):
                yield int(entry.name)


def path_of(sock):
    """The path that a connection was made to, whichever end this is; None if it is none."""
    if sock.family != socket.AF_UNIX or sock.type != socket.SOCK_STREAM:
        return None
    try:
        return sock.getpeername() or sock.getsockname() or None
    except OSError:  # it listens, or has ended
        return None


def peer_of(sock):
    return struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]


@contextlib.contextmanager
def connections(pid, prefix, peer=None):
    """Copies of those sockets of a process that are connected to a path which begins so, and to this peer."""
    found = []
    with contextlib.ExitStack() as opened:
        process = opened.enter_context(pidfd(pid))
        for number in sockets(pid):
            try:
                sock = socket.socket(fileno=system_call(PIDFD_GETFD, process, number, 0))
            except OSError as error:
                if error.errno == errno.EBADF:  # closed meanwhile
                    continue
                raise
            opened.enter_context(sock)
            path = path_of(sock)
            if path is not None and path.startswith(prefix) and peer in (None, peer_of(sock)):
                found.append(sock)
        yield found


def take_out(sock):
    """Reads what nobody is to see any more; how many bytes."""
    size = 0
    with contextlib.suppress(BlockingIOError, ConnectionResetError):
        while data := sock.recv(CHUNK_BYTES, socket.MSG_DONTWAIT):
            size += len(data)
    return size


def cut(pid, prefix, peer=None, losing=False):
    """Cuts such connections of a process, which with losing is the one that reads; how many bytes were lost.

    losing: the process is stopped meanwhile, for it must not read behind what was taken out."""
    with stopped(pid) if losing else contextlib.nullcontext(), connections(pid, prefix, peer) as found:
        if not found:
            raise LookupError(f"process {pid} has no connection to {prefix}*")
        return end(found, losing)


def cut_full(pid, prefix, peer=None, least_bytes=1, until=lambda: True):
    """Cuts them when at least so many bytes have arrived that the process, which reads, has not read, and until() is
    true. It stands still meanwhile. How many bytes were lost."""
    with stopped(pid), connections(pid, prefix, peer) as found:
        wait_until(lambda: until() and waiting_bytes(found) >= least_bytes, f"{least_bytes} bytes on {prefix}*")
        return end(found, losing=True)


def cut_if_waiting(pid, prefix, peer=None, least_bytes=1, losing=True):
    """Cuts them if so many bytes have arrived when the process, which reads, is stopped; False if not."""
    with stopped(pid), connections(pid, prefix, peer) as found:
        if waiting_bytes(found) < least_bytes:
            return False
        end(found, losing)
        return True


def end(found, losing):
    """How many bytes were lost."""
    for sock in found:
        sock.shutdown(socket.SHUT_RDWR)
    return sum(map(take_out, found)) if losing else 0


def waiting_bytes(found):
    """How much has arrived on sockets."""
    FIONREAD = 0x541b
    value, size = ctypes.c_int(), 0
    for sock in found:
        if libc.ioctl(sock.fileno(), ctypes.c_ulong(FIONREAD), ctypes.byref(value)) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        size += value.value
    return size
