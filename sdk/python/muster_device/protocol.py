"""Messages, topics and numbers of Muster's device protocol (docs/protocol.md).

Everything here is pure: bytes in, values out, and back.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Optional, Union

import cbor2

PROTOCOL = 1
MIN_CHUNK = 128
MAX_CHUNK = 65536
DEFAULT_CHUNK = 4096
MAX_WINDOW = 64
DEFAULT_WINDOW = 8
MAX_IN_FLIGHT = 262144  # bytes, chunk times window
MAX_TEXT = 256  # bytes of a text for people
MAX_WORD = 64  # bytes of a product, a version, a hardware revision
MAX_ATTACH = 64  # ids per attach or detach
MAX_MESSAGE = 16384  # bytes of a message or the result of a command
MAX_NESTING = 4
MAX_HELLO = 2048  # bytes of a Hello, a Welcome, an Offer
MAX_CONTROL = 512  # bytes of a Want, a Report, a Stop

HELLO_WAIT = 10.0  # seconds until a Hello without a Welcome is sent again; doubles
CHUNK_WAIT = 10.0  # seconds without a chunk until the Want is sent again
APPLY_WAIT = 10.0  # seconds to wait for the PUBACK of *applying*
TAKEOVER_PAUSE = 60.0  # seconds to stay away after another connection took over

Version = Union[int, str]


class Reason(IntEnum):
    """Reason codes; treat one that is not here as OTHER (docs/protocol.md#reason-codes)."""

    NONE = 0
    SUPERSEDED = 1
    STOPPED = 2
    TOO_LARGE = 3
    DIGEST = 4
    SIGNATURE = 5
    STORAGE = 6
    MEMORY = 7
    HARDWARE = 8
    ROLLED_BACK = 9
    NOT_YOURS = 10
    MALFORMED = 11
    LIMIT = 12
    TIMED_OUT = 13
    NOT_NOW = 14
    BUSY = 15
    REPLAYED = 16
    NOT_ATTACHED = 17
    OTHER = 255


class State(IntEnum):
    """What a Report says of an update, or of the device."""

    DOWNLOADING = 1
    STORED = 2
    APPLYING = 3
    FAILED = 4
    DISABLED = 5
    ENABLED = 6


class Outcome(IntEnum):
    """How the last update ended on the device; Hello key 9."""

    CONFIRMED = 1
    ROLLED_BACK = 2
    FAILED = 3


class Malformed(ValueError):
    """The payload is not what the protocol allows."""


@dataclass(frozen=True)
class Welcome:
    time: int  # Unix time, seconds
    boot: Optional[int] = None  # the nonce of the Hello it answers
    target: Optional[Version] = None
    why: str = ""
    reason: int = 0
    again: Optional[int] = None  # seconds until the next Hello is wanted


@dataclass(frozen=True)
class Offer:
    update: bytes
    version: Version
    image: bytes
    size: int  # bytes
    digest: bytes
    chunk: int  # bytes
    count: int
    first: int
    signature: Optional[bytes] = None
    cached: bool = False  # the gateway has or fetches the image


@dataclass(frozen=True)
class Chunk:
    image: bytes
    index: int
    data: bytes


@dataclass(frozen=True)
class Want:
    image: bytes
    first: int
    count: int
    chunk: Optional[int] = None  # bytes, where it is not the Offer's


@dataclass(frozen=True)
class Stop:
    image: bytes
    reason: int
    update: Optional[bytes] = None


def encode(message: dict[int, Any]) -> bytes:
    """Encodes a message deterministically (RFC 8949 §4.2.1)."""
    return bytes(cbor2.dumps(message, canonical=True))


def decode(payload: bytes, most: int = 1 << 17) -> dict[Any, Any]:
    """Decodes one map of at most `most` bytes; raises Malformed for what receivers must reject."""
    if len(payload) > most:
        raise Malformed(f"{len(payload)} bytes are more than {most}")
    try:
        end = _walk(payload, 0, 1)
        if end != len(payload):
            raise Malformed(f"{len(payload) - end} bytes left over")
        message = cbor2.loads(payload)
    except Malformed:
        raise
    except Exception as err:  # cbor2 raises many kinds; all of them mean the same here
        raise Malformed(str(err)) from err
    if not isinstance(message, dict):
        raise Malformed("not a map")
    return message


def _walk(p: bytes, at: int, depth: int) -> int:
    """Returns where the item at `at` ends; rejects indefinite lengths, tags, duplicate keys."""
    if at >= len(p):
        raise Malformed("cut off")
    major, info = p[at] >> 5, p[at] & 31
    if info in (28, 29, 30, 31):
        raise Malformed("indefinite or reserved length")
    extra = {24: 1, 25: 2, 26: 4, 27: 8}.get(info, 0)
    head = at + 1 + extra
    if head > len(p):
        raise Malformed("cut off")
    value = int.from_bytes(p[at + 1 : head], "big") if extra else info
    if major in (2, 3):
        if head + value > len(p):
            raise Malformed("cut off")
        return head + value
    if major == 6:
        raise Malformed("a tag")
    if major in (4, 5):
        if depth > MAX_NESTING:
            raise Malformed("nested too deep")
        if value > len(p):
            raise Malformed("cut off")
        keys: set[bytes] = set()
        at = head
        for _ in range(value):
            if major == 5:
                end = _walk(p, at, depth + 1)
                key = _key(p[at:end])
                if key in keys:
                    raise Malformed("a duplicate key")
                keys.add(key)
                at = end
            at = _walk(p, at, depth + 1)
        return at
    return head


def _key(raw: bytes) -> bytes:
    """The key's value in one spelling, so that a longer encoding counts as the same key."""
    if raw[0] >> 5 in (0, 1):
        return bytes([raw[0] >> 5]) + int(cbor2.loads(raw)).to_bytes(9, "big", signed=True)
    return raw


def _field(m: dict[Any, Any], key: int, kind: type, required: bool = True) -> Any:
    if key not in m:
        if required:
            raise Malformed(f"key {key} is missing")
        return None
    value = m[key]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Malformed(f"key {key} has the wrong type")
    return value


def _uint(m: dict[Any, Any], key: int, most: int, required: bool = True, least: int = 0) -> Any:
    value = _field(m, key, int, required)
    if value is not None and not least <= value <= most:
        raise Malformed(f"key {key} is out of range")
    return value


def _bytes(m: dict[Any, Any], key: int, size: int, required: bool = True) -> Any:
    value = _field(m, key, bytes, required)
    if value is not None and len(value) != size:
        raise Malformed(f"key {key} has {len(value)} bytes, want {size}")
    return value


def _version(m: dict[Any, Any], key: int, required: bool = True) -> Any:
    value = m.get(key)
    if isinstance(value, str):
        if not 1 <= len(value.encode()) <= MAX_WORD:
            raise Malformed(f"key {key} is out of range")
        return value
    return _uint(m, key, 2**31 - 1, required)


def decode_welcome(payload: bytes) -> Welcome:
    m = decode(payload, MAX_HELLO)
    why = _field(m, 3, str, False) or ""
    if len(why.encode()) > MAX_TEXT:
        raise Malformed("key 3 is too long")
    return Welcome(
        boot=_uint(m, 0, 2**64 - 1, False),
        time=_uint(m, 1, 2**40),
        target=_version(m, 2, False),
        why=why,
        reason=_uint(m, 4, 65535, False) or 0,
        again=_uint(m, 5, 2**31, False),
    )


def decode_offer(payload: bytes) -> Offer:
    m = decode(payload, MAX_HELLO)
    offer = Offer(
        update=_bytes(m, 0, 16),
        version=_version(m, 1),
        image=_bytes(m, 2, 8),
        size=_uint(m, 3, 2**64 - 1, least=1),
        digest=_bytes(m, 4, 32),
        chunk=_uint(m, 5, MAX_CHUNK, least=MIN_CHUNK),
        count=_uint(m, 6, 2**32 - 1),
        first=_uint(m, 7, 2**32 - 1),
        signature=_field(m, 8, bytes, False),
        cached=bool(_field(m, 9, bool, False)),
    )
    if offer.chunk & (offer.chunk - 1):
        raise Malformed("the chunk size is not a power of two")
    if offer.image != offer.digest[:8]:
        raise Malformed("the image is not the start of its digest")
    if offer.count != -(-offer.size // offer.chunk) or offer.first > offer.count:
        raise Malformed("the count does not fit the size")
    return offer


def decode_chunk(payload: bytes) -> Chunk:
    m = decode(payload)
    data = _field(m, 2, bytes)
    if not 1 <= len(data) <= MAX_CHUNK:
        raise Malformed("key 2 is out of range")
    return Chunk(image=_bytes(m, 0, 8), index=_uint(m, 1, 2**32 - 1), data=data)


def decode_stop(payload: bytes) -> Stop:
    m = decode(payload, MAX_CONTROL)
    return Stop(image=_bytes(m, 0, 8), reason=_uint(m, 1, 65535), update=_bytes(m, 2, 16, False))


def decode_attached(payload: bytes) -> list[tuple[str, int]]:
    m = decode(payload)
    outcomes: list[tuple[str, int]] = []
    if len(_field(m, 0, list)) > MAX_ATTACH:
        raise Malformed(f"more than {MAX_ATTACH} outcomes")
    for pair in _field(m, 0, list):
        if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and isinstance(pair[1], int)):
            raise Malformed("key 0 has something else than [id, reason]")
        outcomes.append((pair[0], pair[1]))
    return outcomes


def encode_chunk(chunk: Chunk) -> bytes:
    return encode({0: chunk.image, 1: chunk.index, 2: chunk.data})


def encode_want(want: Want) -> bytes:
    message: dict[int, Any] = {0: want.image, 1: want.first, 2: want.count}
    if want.chunk is not None:
        message[3] = want.chunk
    return encode(message)


def same_version(a: Version, b: Version) -> bool:
    """Whether two versions have equal precedence: 7, "7" and "7.0.0" are the same."""

    def full(v: Version) -> str:
        text = str(v)
        return text + ".0.0" if text.isdigit() else text

    return full(a) == full(b)
