"""Where an image and the record of an update are kept, so that both survive a power loss."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Optional, Protocol, Union

from .protocol import Version


class Slot(Protocol):
    """Where an image is stored. A method that raises OSError fails the update (storage error)."""

    def begin(self, size: int) -> None:
        """Makes room for a new image of `size` bytes and discards the one before."""

    def write(self, at: int, data: bytes) -> None:
        """Stores data at the offset `at`. Data arrives in order, of any length."""

    def sync(self) -> None:
        """Returns when everything written survives a power loss."""

    def verify(self, size: int, digest: bytes) -> bool:
        """Reads the image back and compares its SHA-256."""


class FileSlot:
    """A slot in one file. The image is read back from the file before it counts as stored."""

    def __init__(self, path: Union[str, Path]) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(self.path, "r+b" if self.path.exists() else "w+b")

    def begin(self, size: int) -> None:
        free = os.statvfs(self.path.parent)
        if size > free.f_bavail * free.f_frsize + os.fstat(self._file.fileno()).st_size:
            raise OSError(f"{size} bytes do not fit on the file system of {self.path}")
        self._file.truncate(0)

    def write(self, at: int, data: bytes) -> None:
        self._file.seek(at)
        self._file.write(data)

    def sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def verify(self, size: int, digest: bytes) -> bool:
        self._file.flush()
        if os.fstat(self._file.fileno()).st_size < size:
            return False
        self._file.truncate(size)
        os.fsync(self._file.fileno())
        seen = hashlib.sha256()
        self._file.seek(0)
        while piece := self._file.read(1 << 16):
            seen.update(piece)
        return seen.digest() == digest

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True)
class Record:
    """What a device remembers over a restart. Small: it is written every 32 KiB of an image."""

    update: bytes = b""  # id of the running update
    version: Optional[Version] = None  # its version
    digest: bytes = b""  # SHA-256 of the image in the slot
    size: int = 0  # bytes of that image
    held: int = 0  # bytes of it that are stored for certain
    applying: bool = False  # the device restarted, or is about to, into the image
    outcome: tuple[bytes, int, int] = (b"", 0, 0)  # update, outcome, reason; Hello key 9 until a Welcome
    command: int = -1  # the highest command done; -1: none
    result: bytes = b""  # its result

    @property
    def image(self) -> bytes:
        return self.digest[:8]


class Memory(Protocol):
    """Keeps the record. `save` returns only when it survives a power loss."""

    def load(self) -> Record: ...

    def save(self, record: Record) -> None: ...


class FileMemory:
    """Keeps the record in a JSON file that is replaced atomically; a damaged one counts as absent."""

    def __init__(self, path: Union[str, Path]) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def load(self) -> Record:
        try:
            envelope = json.loads(self.path.read_text())
            body = envelope["record"]
            if zlib.crc32(_text(body).encode()) != envelope["crc"]:
                return Record()
            return _revive(body)
        except (OSError, ValueError, KeyError, TypeError):
            return Record()

    def save(self, record: Record) -> None:
        body = _plain(record)
        temporary = self.path.with_suffix(".new")
        with open(temporary, "w") as file:
            json.dump({"record": body, "crc": zlib.crc32(_text(body).encode())}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class VolatileMemory:
    """Keeps the record in the process: for tests, and for children whose state the radio can't keep."""

    def __init__(self, record: Optional[Record] = None) -> None:
        self.record = record or Record()

    def load(self) -> Record:
        return self.record

    def save(self, record: Record) -> None:
        self.record = record


def _text(body: dict[str, Any]) -> str:
    return json.dumps(body, sort_keys=True)


def _plain(record: Record) -> dict[str, Any]:
    body = asdict(record)
    for name in ("update", "digest", "result"):
        body[name] = body[name].hex()
    update, outcome, reason = record.outcome
    body["outcome"] = [update.hex(), outcome, reason]
    return body


def _revive(body: dict[str, Any]) -> Record:
    update, outcome, reason = body["outcome"]
    return replace(
        Record(),
        update=bytes.fromhex(body["update"]),
        version=body["version"],
        digest=bytes.fromhex(body["digest"]),
        size=int(body["size"]),
        held=int(body["held"]),
        applying=bool(body["applying"]),
        outcome=(bytes.fromhex(update), int(outcome), int(reason)),
        command=int(body["command"]),
        result=bytes.fromhex(body["result"]),
    )
