"""A device on its own connection: a session, its thread and an MQTT connection."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Optional, Union

from .connection import Connection, Server
from .session import Handlers, Identity, Session
from .storage import FileMemory, FileSlot, Memory, Slot
from .worker import Worker


class Device:
    """A connected device. Its methods may be called from any thread.

    `state` is a folder for the image and the record of the update; give slot and memory
    instead to keep them elsewhere.
    """

    def __init__(
        self,
        server: Server,
        identity: Identity,
        handlers: Handlers,
        state: Union[str, Path, None] = None,
        slot: Optional[Slot] = None,
        memory: Optional[Memory] = None,
        first_wait: float = 1.0,
    ) -> None:
        if state is None and (slot is None or memory is None):
            raise ValueError("give a folder for the device's state, or a slot and a memory")
        folder = Path(state) if state is not None else Path(os.curdir)
        self.id = server.device
        self.connection = Connection(server, self, first_wait)
        self._own_slot: Optional[FileSlot] = None
        if slot is None:
            slot = self._own_slot = FileSlot(folder / "image")
        self.session = Session(
            identity,
            slot,
            memory or FileMemory(folder / "record.json"),
            handlers,
            self._publish,
        )
        self._worker = Worker(self.session, "muster-device")

    def start(self) -> None:
        """Connects, and stays connected until `close`."""
        self._worker.start()
        self.connection.start()

    def close(self) -> None:
        self.connection.close()
        self._worker.stop()
        if self._own_slot is not None:
            self._own_slot.close()

    def __enter__(self) -> Device:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def alert(self, kind: int, text: str = "", value: Any = None) -> None:
        """Raises an alert: a number of your own, a text and a value."""
        self._worker.do(lambda: self.session.alert(kind, text, value))

    def message(self, payload: bytes, name: str = "", qos: int = 1) -> None:
        """Sends a message of at most 16384 bytes."""
        self._worker.do(lambda: self.session.message(payload, name, qos))

    def set_updates(self, enabled: bool) -> None:
        """Says "not now", or takes updates again."""
        self._worker.do(lambda: self.session.set_updates(enabled))

    def set_facts(self, facts: dict[str, Any]) -> None:
        """Replaces the facts and sends them in a new Hello."""

        def change() -> None:
            self.session.identity.facts = facts
            if self.session.online:
                self.session.hello()

        self._worker.do(change)

    def healthy(self) -> None:
        """The self-test of the application passed: keep the image that runs."""
        self._worker.do(self.session.healthy)

    # What the connection calls.

    def connected(self) -> None:
        self._worker.do(self.session.connected)

    def disconnected(self) -> None:
        self._worker.do(self.session.disconnected)

    def received(self, topic: str, payload: bytes) -> None:
        prefix = f"d/{self.id}/down/"
        if topic == prefix + "welcome":
            self.connection.settle()  # here: the worker may get to it after the connection's end
        if topic.startswith(prefix):
            self._worker.do(lambda: self.session.received(topic[len(prefix) :], payload))

    def acked(self, token: int) -> None:
        self._worker.do(lambda: self.session.acked(token))

    def _publish(self, path: str, payload: bytes, qos: int) -> Optional[int]:
        return self.connection.publish(f"d/{self.id}/up/{path}", payload, qos)
