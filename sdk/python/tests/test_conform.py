"""The client against `muster conform`: every requirement of the protocol. Ten minutes of waiting: CONFORM=1 runs it."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
import unittest
from typing import Optional

from muster_device import Device, Handlers, Identity, Record, Server

from . import server


class Unit(Handlers):
    """A device that stores anything and restarts into it."""

    def __init__(self) -> None:
        self.next: Optional[Record] = None
        self.over = threading.Event()

    def apply(self, record: Record) -> None:
        self.next = record
        self.over.set()

    def command(self, number: int, name: str, payload: bytes) -> bytes:
        return b"did " + payload


@unittest.skipUnless(server.MUSTER and os.environ.get("CONFORM"), "set CONFORM=1, and MUSTER to the binary")
class Conform(unittest.TestCase):
    def test_the_client_keeps_every_requirement(self) -> None:
        bench = subprocess.Popen(
            [server.MUSTER, "conform", "--mqtt", "127.0.0.1:0", "--device", "py", "--secret", "secret", "--only", os.environ.get("ONLY", "")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        assert bench.stderr and bench.stdout
        line = bench.stderr.readline()
        host, _, port = line.rsplit(" ", 1)[-1].strip().rpartition(":")
        over = threading.Event()
        with tempfile.TemporaryDirectory() as state:
            unit = threading.Thread(target=self._boots, args=(Server(host, "py", "secret", int(port)), state, over))
            unit.start()
            output = bench.stdout.read()
            code = bench.wait()
            over.set()
            unit.join()
        print(output)
        self.assertEqual(code, 0, output)

    def _boots(self, at: Server, state: str, over: threading.Event) -> None:
        version: int | str = 1
        while not over.is_set():
            unit = Unit()
            with Device(at, Identity(version, max_image=8 << 20), unit, state):
                while not over.is_set() and not unit.over.wait(0.2):
                    pass
            if unit.next and unit.next.version is not None:
                version = unit.next.version
            time.sleep(0.2)


if __name__ == "__main__":
    unittest.main()
