# SPDX-License-Identifier: MIT
"""Message benches: programs of two processes each, which print one figure and end."""
from processes import OVER_NNG, figure
from report import AT_LEAST, AT_MOST, compare, interleave


def contender(hall, name, program, *arguments):
    """Measures one program of the benches in a folder of its own each time; None if it is not there."""
    argv = program if isinstance(program, list) else [program]
    if None in argv:
        return None
    return lambda: figure([*argv, hall.fresh_folder(name), hall.seconds, *arguments], hall.seconds * 2 + 20)


def node(hall, script):
    return [hall.which("node"), hall.source / "peers" / script]


def one_way(hall):
    contenders = {
        "Skep": contender(hall, "skep", hall.program("skep_one_way")),
        "Skep over NNG": contender(hall, "over-nng", [*OVER_NNG, hall.program("skep_one_way")]),
        "bare NNG, receiving aio": contender(hall, "aio", hall.program("nng_one_way"), "aio"),
        "bare NNG, nng_recvmsg": contender(hall, "plain", hall.program("nng_one_way"), "plain"),
        "ZeroMQ": contender(hall, "zmq", hall.peer("zmq_one_way", "libzmq")),
        "Node process.send": contender(hall, "node", node(hall, "node_one_way.js")),
    }
    figures = interleave({name: measure for name, measure in contenders.items() if measure}, hall.runs, hall.quiet.wait)
    return compare("one-way", "commands/s", figures, "Skep",
                   {5e6: (AT_LEAST, 1.0), "bare NNG, receiving aio": (AT_LEAST, 100.0),
                    "bare NNG, nng_recvmsg": (AT_LEAST, 100.0), "ZeroMQ": (AT_LEAST, 2.0),
                    "Node process.send": (AT_LEAST, 20.0)})


ONE_PROCESSOR = ("/usr/bin/taskset", "-c", "0")  # before a program: what it costs, without what a wake-up takes


def trips(hall, prefix):
    contenders = {
        "Skep": contender(hall, "skep", [*prefix, hall.program("skep_round_trip")]),
        "Skep over NNG": contender(hall, "over-nng", [*prefix, *OVER_NNG, hall.program("skep_round_trip")]),
        "bare NNG in libuv loops": contender(hall, "nng", [*prefix, hall.program("nng_round_trip")]),
        "bare socket": contender(hall, "socket", [*prefix, hall.program("socket_round_trip")]),
        "Node's IPC": contender(hall, "node", [*prefix, *node(hall, "node_round_trip.js")]),
    }
    return {name: measure for name, measure in contenders.items() if measure}


def round_trip(hall):
    goals = {"bare NNG in libuv loops": (AT_MOST, 0.25), "Node's IPC": (AT_MOST, 1.0)}
    rows = []
    for bench, prefix in (("round-trip", ()), ("round-trip 1 cpu", ONE_PROCESSOR)):
        rows += compare(bench, "µs, p50", interleave(trips(hall, prefix), hall.runs, hall.quiet.wait), "Skep", goals)
    return rows
