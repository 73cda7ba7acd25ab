"""How a gateway relays for devices that speak Muster's CBOR over a GATT service, with bleak.

The service has one characteristic to write (down) and one that notifies (up). A frame is one byte for the
length of the path, the path, and the payload, split into ATT packets whose first byte is 1 on the last one.
Not run here: it needs a radio and the package bleak.
"""

from __future__ import annotations

import asyncio
from typing import Any

from muster_device import Gateway

DOWN = "6d757374-0001-4d55-5354-455200000000"
UP = "6d757374-0002-4d55-5354-455200000000"


class BleakChild:
    """A relayed child. `deliver` is called in the child's own thread and blocks until the radio took the frame."""

    def __init__(self, gateway: Gateway, name: str, client: Any, loop: asyncio.AbstractEventLoop, mtu: int = 244) -> None:
        self.gateway, self.name, self.client, self.loop, self.mtu = gateway, name, client, loop, mtu
        self._partial = bytearray()

    async def start(self) -> None:
        await self.client.start_notify(UP, self._notified)
        self.gateway.attach(self.name, self)

    def deliver(self, path: str, payload: bytes) -> None:
        frame = bytes([len(path)]) + path.encode() + payload
        asyncio.run_coroutine_threadsafe(self._write(frame), self.loop).result()

    async def _write(self, frame: bytes) -> None:
        step = self.mtu - 1
        for at in range(0, len(frame), step):
            last = at + step >= len(frame)
            await self.client.write_gatt_char(DOWN, bytes([last]) + frame[at : at + step], response=True)

    def _notified(self, _: Any, data: bytearray) -> None:
        self._partial += data[1:]
        if not data[0]:
            return
        frame, self._partial = bytes(self._partial), bytearray()
        path, payload = frame[1 : 1 + frame[0]].decode(), frame[1 + frame[0] :]
        durable = path.split("/")[0] in ("report", "alert", "done")
        self.gateway.relay(self.name, path, payload, qos=1 if durable else 0)
