#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A client in another language, by docs/protocol.md: submits a job and prints its result.

    submit.py DIR QUEUE PAYLOAD

Exit status: 0; 65 if the job became a dead letter; 75 if it was declined. Why is said on stderr.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire  # noqa: E402
from wire import pack  # noqa: E402


class Client:
    """Joins the broker of a directory; submits; hears what became of it."""

    def __init__(self, folder, timeout_s=60):
        asker = wire.Asker(wire.control_url(folder))
        joined, = asker.ask("join")
        asker.close()
        self.id, self.next = joined["client"], 1
        self.returns = wire.Pipe(joined["returns"], wire.PULL, timeout_s)
        self.intake = wire.Pipe(joined["intake"], wire.PUSH, timeout_s)

    def say(self, *commands):
        """One frame, which begins with who speaks."""
        self.intake.send(pack("client", client=self.id) + b"".join(commands))

    def submit(self, queue, *jobs, **options):
        """Submits jobs; the number of the first."""
        number, self.next = self.next, self.next + len(jobs)
        self.say(pack("submit", queue=queue, number=number, jobs=jobs, **options))
        return number

    def hear(self):
        """The commands of the next frame."""
        return wire.unpack(self.returns.receive())

    def close(self):
        self.say(pack("leave"))
        self.intake.close()
        self.returns.close()


def main():
    folder, queue, payload = sys.argv[1:]
    client = Client(folder)
    client.submit(queue, payload.encode(), outcomes=True)
    while True:
        for command in client.hear():
            if command["cmd"] == "finished":
                client.close()
                return print(command["results"][0].decode())
            if command["cmd"] == "died":
                print(f"dead letter: {command['cause']}: {command.get('reason', '')}", file=sys.stderr)
                sys.exit(65)
            if command["cmd"] == "declined":
                print(f"declined: {command['reason']}", file=sys.stderr)
                sys.exit(75)


if __name__ == "__main__":
    main()
