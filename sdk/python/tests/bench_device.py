"""A device for `muster conform`: it stores any image, and starts again with the image's version.

    python3 -m tests.bench_device HOST PORT ID SECRET STATE-FOLDER
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Optional

from muster_device import Device, Handlers, Identity, Record, Server


class Unit(Handlers):
    """One boot of the device."""

    def __init__(self) -> None:
        self.next: Optional[Record] = None
        self.over = threading.Event()

    def apply(self, record: Record) -> None:
        self.next = record
        self.over.set()

    def command(self, number: int, name: str, payload: bytes) -> bytes:
        return b"did " + payload


def main(host: str, port: str, id: str, secret: str, state: str) -> None:
    os.makedirs(state, exist_ok=True)
    version: int | str = 1
    while True:
        unit = Unit()
        with Device(Server(host, id, secret, int(port)), Identity(version, max_image=8 << 20), unit, state):
            unit.over.wait()
        if unit.next and unit.next.version is not None:
            version = unit.next.version
        time.sleep(0.2)


if __name__ == "__main__":
    main(*sys.argv[1:])
