"""How a gateway drives devices that speak SMP (mcumgr) and nothing of Muster.

`Smp` names the five calls a client of SMP offers (smpclient, mcumgr-client, or your own); wrap yours in it.
Not run here: it needs a radio. tests/test_server.py runs the same class structure on a simulated one.
"""

from __future__ import annotations

from typing import Any, Protocol

from muster_device import DrivenChild, Gateway, Handlers, Identity, Record

BLE_CHUNK = 1024  # bytes: what the gateway buffers for a device, times the window
BLE_WINDOW = 4


class Smp(Protocol):
    """A connection to one device."""

    def image_version(self) -> str: ...

    def image_upload(self, offset: int, data: bytes, total: int, sha256: bytes) -> int:
        """Sends one piece and returns the offset the device wants next."""

    def image_hash_of_slot_1(self) -> bytes: ...

    def image_test(self, hash: bytes) -> None:
        """Marks slot 1 for one boot; MCUboot reverts it unless it is confirmed."""

    def reset(self) -> None: ...


class SmpChild(Handlers):
    """Slot and handlers of one device behind SMP."""

    def __init__(self, gateway: Gateway, name: str, smp: Smp) -> None:
        self.gateway, self.name, self.smp = gateway, name, smp
        self.size = 0

    def driver(self) -> DrivenChild:
        return DrivenChild(self._identity(), self, self)

    def _identity(self) -> Identity:
        return Identity(self.smp.image_version(), chunk=BLE_CHUNK, window=BLE_WINDOW)

    # The slot.

    def begin(self, size: int) -> None:
        self.size = size

    def write(self, at: int, data: bytes) -> None:
        sent = 0
        while sent < len(data):
            wanted = self.smp.image_upload(at + sent, data[sent:], self.size, b"")
            if wanted <= at + sent:
                raise OSError(f"{self.name} wants offset {wanted} again: it lost its slot")
            sent = wanted - at

    def sync(self) -> None:
        pass  # the device acknowledged what it has written

    def verify(self, size: int, digest: bytes) -> bool:
        return len(self.smp.image_hash_of_slot_1()) == 32  # the boot loader checks the image's own hash

    # The handlers.

    def apply(self, record: Record) -> None:
        self.smp.image_test(self.smp.image_hash_of_slot_1())
        self.smp.reset()

    def keep(self) -> None:
        pass  # the device's own firmware confirms itself, or the gateway sends image_confirm

    def back(self, *_: Any) -> None:
        """Call this when the device has advertised again after its reset."""
        self.gateway.restarted(self.name, self._identity())
