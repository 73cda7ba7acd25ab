"""The device's side of the protocol as a state machine without I/O.

One Session stands for one device, also for a Bluetooth LE device that a gateway speaks for.
It is not thread-safe: one thread calls it (see worker.py). Times are seconds of a monotonic clock.
"""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Optional, Union

from . import protocol as p
from .protocol import Offer, Outcome, Reason, State
from .storage import Memory, Record, Slot

log = logging.getLogger("muster_device")

SAVE_EVERY = 32 << 10  # bytes of an image between two saves: what a power loss may cost at most
MAX_UNACKED = 256  # messages, alerts and results that wait for their PUBACK
CACHED_REPORT = 25.0  # seconds between Reports while the image comes from the gateway's copy


@dataclass
class Identity:
    """What a device says about itself in Hello (docs/protocol.md#hello)."""

    version: p.Version
    product: Optional[str] = None
    digest: Optional[bytes] = None  # SHA-256 of the image that runs, as it was uploaded
    hardware: Optional[str] = None
    facts: dict[str, Any] = field(default_factory=dict)
    max_image: Optional[int] = None  # bytes
    chunk: int = p.DEFAULT_CHUNK  # bytes
    window: int = p.DEFAULT_WINDOW  # chunks
    caches: bool = False  # a gateway that keeps images for its devices


@dataclass(frozen=True)
class Later:
    """An answer of may_download and may_apply: not now, ask again after some seconds."""

    seconds: float


Verdict = Union[None, Later, Reason]  # None: continue


class Handlers:
    """What the application decides and does. Override what you need; each runs in the session's thread."""

    def may_download(self, offer: Offer) -> Verdict:
        """Before the first byte. A Reason refuses this update, Later puts it off."""
        return None

    def may_apply(self, offer: Record) -> Verdict:
        """Before the restart. A Reason ends this update, Later puts the restart off."""
        return None

    def apply(self, record: Record) -> None:
        """Install the stored image and restart into it. May not return."""
        raise NotImplementedError("override Handlers.apply to install an image")

    def keep(self) -> None:
        """The image that runs is proven: make it permanent (confirm it to the boot loader)."""

    def command(self, number: int, name: str, payload: bytes) -> bytes:
        """Do a command and return its result. It is done once, however often it arrives."""
        return b""

    def welcomed(self, welcome: p.Welcome) -> None:
        """The server answered a Hello."""

    def progress(self, held: int, size: int) -> None:
        """Bytes held, of how many."""


Publish = Callable[[str, bytes, int], Optional[int]]


class Session:
    """Speaks for one device. `publish(path, payload, qos)` sends on the device's topic
    `up/{path}` and returns a token that `acked` gets once the PUBACK has come."""

    def __init__(
        self,
        identity: Identity,
        slot: Slot,
        memory: Memory,
        handlers: Handlers,
        publish: Publish,
        clock: Callable[[], float] = time.monotonic,
        rng: Optional[random.Random] = None,
    ) -> None:
        if identity.chunk * max(identity.window, 1) > p.MAX_IN_FLIGHT:
            raise ValueError(f"chunk times window is more than {p.MAX_IN_FLIGHT} bytes")
        self.identity = identity
        self.slot = slot
        self.memory = memory
        self.handlers = handlers
        self.publish = publish
        self.clock = clock
        self.boot = (rng or random.SystemRandom()).getrandbits(63) | 1
        self.takes_updates = True
        self.online = False
        self.record = self._after_restart(memory.load())
        self._offer: Optional[Offer] = None  # of this connection
        self._chunk = 0  # bytes
        self._next = 0  # index of the first chunk that is missing
        self._asked = 0  # index behind the last chunk that is under way
        self._unsaved = 0  # bytes written since the record was saved
        self._hello_wait = p.HELLO_WAIT
        self._hello_due: Optional[float] = None  # when a Hello without an answer is repeated
        self._again_due: Optional[float] = None  # when the server wants the next Hello
        self._chunk_due: Optional[float] = None  # when the Want is repeated
        self._later_due: Optional[float] = None  # when the application is asked again
        self._apply_due: Optional[float] = None  # when the restart no longer waits for the PUBACK
        self._apply_token: Optional[int] = None
        self._report_due: Optional[float] = None
        self._put_off = False  # the application said Later to an offer
        self._unacked: list[tuple[str, bytes]] = []  # sent again on each connection, until the PUBACK
        self._tokens: dict[int, tuple[str, bytes]] = {}  # of those sent on this one

    def _after_restart(self, record: Record) -> Record:
        """Decides how the update ended that the device restarted for, and saves it before anything is sent."""
        if not record.applying:
            return record
        proven = self.identity.digest == record.digest if self.identity.digest else False
        runs = proven or (record.version is not None and p.same_version(record.version, self.identity.version))
        outcome = (record.update, int(Outcome.CONFIRMED), 0) if runs else (record.update, int(Outcome.ROLLED_BACK), int(Reason.ROLLED_BACK))
        record = replace(record, applying=False, outcome=outcome, update=b"", version=None, digest=b"", size=0, held=0)
        self.memory.save(record)
        return record

    # What the connection reports.

    def connected(self) -> None:
        self.online = True
        self._offer = None
        self._apply_token = None
        self._hello_wait = p.HELLO_WAIT
        self.hello()
        self._tokens = {}
        for item in self._unacked:
            self._transmit(item)

    def disconnected(self) -> None:
        self.online = False
        self._flush()
        self._hello_due = self._again_due = self._chunk_due = self._report_due = None
        if self._apply_token is not None:  # the next Offer begins at the end and applies again
            self._apply_token = self._apply_due = None

    def acked(self, token: int) -> None:
        if token == self._apply_token:
            self._restart()
        item = self._tokens.pop(token, None)
        if item in self._unacked:
            self._unacked.remove(item)

    def received(self, path: str, payload: bytes) -> None:
        """Takes the message on the device's topic `down/{path}`."""
        kind, _, rest = path.partition("/")
        try:
            if kind == "chunk":
                self._on_chunk(payload)
            elif kind == "offer":
                self._on_offer(p.decode_offer(payload))
            elif kind == "welcome":
                self._on_welcome(p.decode_welcome(payload))
            elif kind == "stop":
                self._on_stop(p.decode_stop(payload))
            elif kind == "cmd":
                self._on_command(rest, payload)
        except p.Malformed as err:
            log.warning("ignored a malformed %s: %s", kind, err)
        except OSError as err:
            log.error("storage failed: %s", err)
            self._fail(Reason.STORAGE, str(err))

    # What the application says.

    def hello(self) -> None:
        """Starts a handshake."""
        me, record = self.identity, self.record
        message: dict[int, Any] = {0: p.PROTOCOL, 1: me.version, 4: me.chunk, 5: me.window, 12: self.boot}
        for key, value in ((2, me.product), (3, me.digest), (7, me.max_image), (10, me.hardware)):
            if value is not None:
                message[key] = value
        self._flush()
        unit = self._chunk or me.chunk
        if record.digest and record.held >= record.size > 0:
            message[6] = [record.image, -(-record.size // unit), unit]
        elif record.digest and record.held >= unit:
            message[6] = [record.image, record.held // unit, unit]
        if not self.takes_updates:
            message[8] = False
        if record.outcome[0]:
            message[9] = list(record.outcome)
        if me.facts:
            message[11] = me.facts
        if me.caches:
            message[13] = True
        self._hello_due = self.clock() + self._hello_wait
        self._again_due = None
        self.publish("hello", p.encode(message), 0)

    def set_updates(self, enabled: bool) -> None:
        """Says whether the device takes updates from now on."""
        if enabled != self.takes_updates:
            self.takes_updates = enabled
            if self.online:
                self._report(State.ENABLED if enabled else State.DISABLED)

    def alert(self, kind: int, text: str = "", value: Any = None) -> None:
        """Raises an alert. It is sent until it is acknowledged."""
        message: dict[int, Any] = {0: kind}
        if text:
            message[1] = _clip(text)
        if value is not None:
            message[2] = value
        self._send("alert", p.encode(message))

    def message(self, payload: bytes, name: str = "", qos: int = 1) -> None:
        """Sends a message of at most 16384 bytes: with QoS 1 until it is acknowledged, with QoS 0 if there is a connection."""
        if len(payload) > p.MAX_MESSAGE:
            raise ValueError(f"a message has at most {p.MAX_MESSAGE} bytes, this one has {len(payload)}")
        path = "msg/" + name if name else "msg"
        if qos:
            self._send(path, payload)
        elif self.online:
            self.publish(path, payload, 0)

    def healthy(self) -> None:
        """The application's self-test passed: the image that runs is kept."""
        self.handlers.keep()

    def tick(self) -> float:
        """Does what is due and returns the seconds until the next call is needed, at most 60."""
        now = self.clock()
        if self._apply_due is not None and now >= self._apply_due:
            self._restart()
        if self.online:
            if self._hello_due is not None and now >= self._hello_due:
                self._hello_wait = min(2 * self._hello_wait, 300.0)
                self.hello()
            if self._again_due is not None and now >= self._again_due:
                self.hello()
            if self._chunk_due is not None and now >= self._chunk_due:
                self._asked = self._next
                self._more()
            if self._report_due is not None and now >= self._report_due and self._offer:
                self._report_due = now + CACHED_REPORT
                self._report(State.DOWNLOADING, next=self._next)
        if self._later_due is not None and now >= self._later_due:
            self._later_due = None
            if self._put_off:
                self._put_off = False
                self.set_updates(True)
            elif self._offer:
                self._finish()
        due = [d for d in (self._hello_due, self._again_due, self._chunk_due, self._later_due, self._apply_due, self._report_due) if d is not None]
        return max(0.0, min([d - self.clock() for d in due] + [60.0]))

    # The messages of the server.

    def _on_welcome(self, w: p.Welcome) -> None:
        if w.boot is not None and w.boot != self.boot:
            return
        answer = self._hello_due is not None and (w.boot is not None or w.reason != Reason.NOT_NOW)
        if not answer:
            if w.reason == Reason.NOT_NOW and w.target is None and w.boot is None:
                self.hello()
            return
        self._hello_due = None
        self._hello_wait = p.HELLO_WAIT
        if w.again is not None:
            self._again_due = self.clock() + w.again
        if w.boot is not None:
            if self.record.outcome[0]:
                self._save(replace(self.record, outcome=(b"", 0, 0)))
            self.handlers.keep()
        self.handlers.welcomed(w)

    def _on_offer(self, o: Offer) -> None:
        r = self.record
        if o.update != r.update:
            if self.identity.max_image is not None and o.size > self.identity.max_image:
                self._refuse(o, Reason.TOO_LARGE)
                return
            verdict = self.handlers.may_download(o)
            if isinstance(verdict, Later):
                self._put_off, self._later_due = True, self.clock() + verdict.seconds
                self.set_updates(False)
                return
            if verdict is not None:
                self._refuse(o, verdict)
                return
            if o.digest != r.digest or o.size != r.size:
                self._unsaved = 0  # what was written belongs to the image that is replaced
                self._save(replace(r, update=b"", version=None, digest=b"", size=0, held=0))
                try:
                    self.slot.begin(o.size)
                except OSError as err:
                    log.error("no room for %d bytes: %s", o.size, err)
                    self._refuse(o, Reason.STORAGE)
                    return
            self._save(replace(self.record, update=o.update, version=o.version, digest=o.digest, size=o.size, applying=False))
        self._flush()
        self._offer, self._chunk = o, o.chunk
        held = self.record.held
        self._next = o.count if held >= o.size else held // o.chunk
        if held < o.size and held % o.chunk:
            self._save(replace(self.record, held=self._next * o.chunk))
        pushed = 0 if o.cached else self.identity.window
        self._asked = min(o.first + pushed, o.count) if self._next >= o.first else self._next
        self._asked = max(self._asked, self._next)
        self._report_due = self.clock() + CACHED_REPORT if o.cached else None
        if self._next == o.count:
            self._finish()
        else:
            self._chunk_due = self.clock() + p.CHUNK_WAIT
            self._more()

    def _on_chunk(self, payload: bytes) -> None:
        o = self._offer
        if o is None:
            return
        c = p.decode_chunk(payload)
        if c.image != o.image or c.index != self._next:
            return
        at = c.index * self._chunk
        if len(c.data) != min(self._chunk, o.size - at):
            raise p.Malformed(f"chunk {c.index} has {len(c.data)} bytes")
        self.slot.write(at, c.data)
        self._next += 1
        self._unsaved += len(c.data)
        self._chunk_due = self.clock() + p.CHUNK_WAIT
        if self._unsaved >= SAVE_EVERY:
            self._flush()
        self.handlers.progress(min(at + len(c.data), o.size), o.size)
        if self._next == o.count:
            self._finish()
        else:
            self._more()

    def _on_stop(self, s: p.Stop) -> None:
        if self.record.applying or self._apply_due is not None:
            return  # applying was reported: it is too late
        if s.reason == Reason.NOT_NOW:
            self.hello()
        elif self.record.update and s.image == self.record.image and s.update in (None, self.record.update):
            self._flush()
            self._end(keep_image=True)

    def _on_command(self, rest: str, payload: bytes) -> None:
        digits, _, name = rest.partition("/")
        if not digits.isdigit():
            return
        number = int(digits)
        if number > self.record.command:
            result = self.handlers.command(number, name, payload)[: p.MAX_MESSAGE]
            self._save(replace(self.record, command=number, result=result))
        # An older command was done as well; its result has made room.
        self._send(f"done/{number}", self.record.result if number == self.record.command else b"")

    # The steps of an update.

    def _more(self) -> None:
        """Asks for more when half of what is under way has arrived."""
        o = self._offer
        if o is None or not self.online:
            return
        window = max(self.identity.window, 1)
        if self._asked - self._next <= window // 2 and self._asked < o.count:
            count = min(window, o.count - self._asked)
            self.publish("want", p.encode_want(p.Want(o.image, self._asked, count)), 0)
            self._asked += count
        if self._chunk_due is not None:
            self._chunk_due = self.clock() + p.CHUNK_WAIT

    def _finish(self) -> None:
        o, r = self._offer, self.record
        if o is None:
            return
        self._chunk_due = self._report_due = None
        self._flush()
        if not self.slot.verify(o.size, o.digest):
            self._fail(Reason.DIGEST, "the stored image has another SHA-256")
            return
        self._save(replace(self.record, held=o.size))
        verdict = self.handlers.may_apply(r)
        self._report(State.STORED)
        if isinstance(verdict, Later):
            self._later_due = self.clock() + verdict.seconds
        elif verdict is not None:
            self._fail(verdict, "")
        elif self.online:
            self._apply_token = self._report(State.APPLYING)
            self._apply_due = self.clock() + p.APPLY_WAIT

    def _restart(self) -> None:
        self._apply_due = self._apply_token = None
        self._save(replace(self.record, applying=True))
        self.handlers.apply(self.record)

    def _refuse(self, o: Offer, reason: Reason) -> None:
        self.publish("report", p.encode({0: o.image, 1: int(State.FAILED), 2: int(reason), 5: o.update}), 1)

    def _fail(self, reason: Reason, text: str) -> None:
        if not self.record.update:
            return
        self._report(State.FAILED, reason=reason, text=text)
        self._end(keep_image=False)

    def _end(self, keep_image: bool) -> None:
        self._offer = None
        self._chunk_due = self._report_due = self._later_due = self._apply_due = self._apply_token = None
        if keep_image:
            self._save(replace(self.record, update=b"", version=None, applying=False))
        else:
            self._save(replace(self.record, update=b"", version=None, digest=b"", size=0, held=0, applying=False))

    def _report(self, state: State, next: Optional[int] = None, reason: Reason = Reason.NONE, text: str = "") -> Optional[int]:
        message: dict[int, Any] = {1: int(state)}
        if state < State.DISABLED:
            message[0] = self.record.image
            message[5] = self.record.update
        if reason:
            message[2] = int(reason)
        if text:
            message[3] = _clip(text)
        if next is not None:
            message[4] = next
        return self.publish("report", p.encode(message), 1)

    def _send(self, path: str, payload: bytes) -> None:
        """Sends what must not be lost."""
        item = (path, payload)
        if len(self._unacked) >= MAX_UNACKED:
            log.error("dropped %s: %d messages wait for an acknowledgement", path, MAX_UNACKED)
            return
        self._unacked.append(item)
        if self.online:
            self._transmit(item)

    def _transmit(self, item: tuple[str, bytes]) -> None:
        token = self.publish(*item, 1)
        if token is not None:
            self._tokens[token] = item

    def _flush(self) -> None:
        """Makes what was written durable, then says so in the record: never the other way round."""
        if self._unsaved and self._offer:
            self.slot.sync()
            self._save(replace(self.record, held=min(self._next * self._chunk, self._offer.size)))
        self._unsaved = 0

    def _save(self, record: Record) -> None:
        self.record = record
        self.memory.save(record)


def _clip(text: str) -> str:
    """The text within MAX_TEXT bytes, cut between characters."""
    return text.encode()[: p.MAX_TEXT].decode(errors="ignore")
