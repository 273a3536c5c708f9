# SPDX-License-Identifier: MIT
"""HTTP benches: wrk with 32 connections against 2 workers of each contender, all of which give the same answer."""
import contextlib
import http.client
import re

from hive import Hive
from processes import Failure, Server, answers, free_port, run
from report import AT_LEAST, compare, interleave

WORKERS, CONNECTIONS, WARM_UP_S = 2, 32, 1

NGINX = """worker_processes {workers};
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.error;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    default_type text/plain;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/nginx.body;
    proxy_temp_path {folder}/nginx.proxy;
    fastcgi_temp_path {folder}/nginx.fastcgi;
    uwsgi_temp_path {folder}/nginx.uwsgi;
    scgi_temp_path {folder}/nginx.scgi;
    server {{
        listen 127.0.0.1:{port} backlog=511;
        location / {{ return 200 "{body}"; }}
    }}
}}
"""


def wrk(program, port, seconds, fresh):
    """Requests a second. Fails if an answer was not a good one, or if more than one request in a thousand failed."""
    headers = ["-H", "Connection: close"] if fresh else []
    output = run([program, "-t2", f"-c{CONNECTIONS}", f"-d{seconds}s", *headers, f"http://127.0.0.1:{port}/"],
                 seconds + 15)
    requests = int(re.search(r"(\d+) requests in", output)[1])
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    failed = sum(map(int, errors.groups())) if errors else 0
    if requests == 0 or "Non-2xx" in output or failed > requests / 1000:
        raise Failure(f"wrk, port {port}:\n{output}")
    return float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])


def body_of(port):
    """The answer, so that the peers can give the same one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def nginx(hall, port, body):
    conf = hall.folder / "nginx.conf"
    text = body.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    conf.write_text(NGINX.format(workers=WORKERS, folder=hall.folder, port=port, body=text))
    return [hall.which("nginx"), "-e", hall.folder / "nginx.error", "-p", hall.folder, "-c", conf]


def prefork(hall, port, body):
    return [hall.program("prefork"), port, WORKERS, body]


def node(hall, port, body):
    return [hall.which("node"), hall.source / "peers/node_http.js", port, body]


PEERS = {"bare prefork": prefork, "nginx": nginx, "Node cluster": node}


def start_peer(hall, stack, name, body):
    """Port of a peer that answers; None if it is not installed."""
    port = free_port()
    argv = PEERS[name](hall, port, body)
    if argv[0] is None:
        return None
    server = stack.enter_context(Server(name.replace(" ", "-"), argv, hall.folder))
    server.wait_until(lambda: answers(port), f"port {port}")
    return port


def bench(hall, name, policy, fresh, goals):
    load = hall.which("wrk")
    if load is None:
        return []
    with contextlib.ExitStack() as stack:
        program = [hall.hello, "--listen", "tcp://127.0.0.1:0"]
        hive = stack.enter_context(Hive(hall, name, WORKERS, policy, program))
        ports = {"Skep": hive.port}
        body = body_of(hive.port)
        for peer in goals:
            ports[peer] = start_peer(hall, stack, peer, body)
        contenders = {peer: (lambda port=port: wrk(load, port, hall.seconds, fresh))
                      for peer, port in ports.items() if port}
        for port in filter(None, ports.values()):
            wrk(load, port, WARM_UP_S, fresh)
        figures = interleave(contenders, hall.runs, hall.quiet.wait)
    return compare(name, "requests/s", figures, "Skep", {peer: goal for peer, goal in goals.items() if goal})


def fresh_round_robin(hall):
    return bench(hall, "fresh-round-robin", "round-robin", True,
                 {"bare prefork": (AT_LEAST, 0.95), "nginx": (AT_LEAST, 1.0), "Node cluster": (AT_LEAST, 2.0)})


def fresh_shared(hall):
    return bench(hall, "fresh-shared", "shared", True, {"bare prefork": (AT_LEAST, 0.97)})


def keep_alive(hall):
    return bench(hall, "keep-alive", "round-robin", False,
                 {"bare prefork": None, "nginx": (AT_LEAST, 1.35), "Node cluster": (AT_LEAST, 1.8)})
