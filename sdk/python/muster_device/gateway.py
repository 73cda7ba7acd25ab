"""A gateway: a device that speaks for Bluetooth LE devices (docs/gateways.md).

Two kinds of children exist. A *relayed* child speaks the protocol itself over the radio, and the
gateway adds and removes topics. A *driven* child does not: the gateway holds its session and moves
images with whatever the child understands, such as SMP (mcumgr).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Optional, Protocol, Union

from . import protocol as p
from .connection import Server
from .device import Device
from .protocol import Chunk, Reason, Want
from .session import Handlers, Identity, Session
from .storage import Memory, Slot, VolatileMemory
from .worker import Worker

log = logging.getLogger("muster_device")

AGAIN = {int(Reason.LIMIT): 60.0, int(Reason.BUSY): 5.0}  # seconds until an attach is tried again
CACHED_IMAGES = 4


class RelayedChild(Protocol):
    """A child that speaks CBOR: the gateway forwards what it says, unchanged. Once it is attached, and after
    each reconnect of the gateway, it is asked for a Hello by a Welcome with reason 14."""

    def deliver(self, path: str, payload: bytes) -> None:
        """Sends a message of the server to the child, in order. May block: it has its own thread."""


@dataclass
class DrivenChild:
    """A child whose session the gateway holds: what it runs, and how an image gets onto it."""

    identity: Identity
    slot: Slot  # writes go over the radio
    handlers: Handlers  # `apply` resets the child; call Gateway.restarted when it is back
    memory: Memory = field(default_factory=VolatileMemory)


class _Image:
    """An image the gateway fetches once for all of its children."""

    def __init__(self, offer: p.Offer) -> None:
        self.size, self.chunk, self.count = offer.size, offer.chunk, offer.count
        self.data = bytearray()
        self.asked = 0  # index behind the last chunk asked for
        self.wants: dict[str, Want] = {}  # what children still wait for

    @property
    def next(self) -> int:
        return self.count if len(self.data) >= self.size else len(self.data) // self.chunk


class Gateway(Device):
    """A gateway with its children. Its methods may be called from any thread.

    Images are held in memory (at most four, the least used goes first), fetched one after the other.
    """

    def __init__(
        self,
        server: Server,
        identity: Identity,
        handlers: Handlers,
        state: Union[str, Path],
        window: int = 16,
        first_wait: float = 1.0,
    ) -> None:
        identity.caches = True
        super().__init__(server, identity, handlers, state, first_wait=first_wait)
        self._window = min(window, p.MAX_WINDOW)
        self._lock = threading.RLock()
        self._online = False  # guarded by _lock, as all below
        self._workers: dict[str, Worker] = {}
        self._relayed: dict[str, tuple[RelayedChild, Worker]] = {}
        self._attached: set[str] = set()
        self._wanted: set[str] = set()  # children to be attached
        self._images: OrderedDict[bytes, _Image] = OrderedDict()
        self._fetching: Optional[bytes] = None
        self._acks: dict[int, Callable[[int], None]] = {}
        self._timers: list[threading.Timer] = []

    def close(self) -> None:
        """Disconnects and ends the threads of all children."""
        super().close()
        with self._lock:
            workers = list(self._workers.values()) + [w for _, w in self._relayed.values()]
            timers, self._timers = self._timers, []
        for timer in timers:
            timer.cancel()
        for worker in workers:
            worker.stop()

    def attach(self, child: str, driver: Union[DrivenChild, RelayedChild]) -> None:
        """A child came into reach. It is attached now, or as soon as there is a connection."""
        if isinstance(driver, DrivenChild):

            def publish(path: str, payload: bytes, qos: int) -> Optional[int]:
                return self._child_publish(child, path, payload, qos)

            worker = Worker(Session(driver.identity, driver.slot, driver.memory, driver.handlers, publish), f"muster-{child}")
        else:
            worker = Worker(_Idle(), f"muster-{child}")  # type: ignore[arg-type]
        with self._lock:
            old = self._workers.pop(child, None) or self._relayed.pop(child, (None, None))[1]
            if isinstance(driver, DrivenChild):
                self._workers[child] = worker
            else:
                self._relayed[child] = (driver, worker)
            self._wanted.add(child)
            online = self._online
        if old:
            old.stop()
        worker.start()
        if online:
            self._send_attach([child])

    def detach(self, child: str) -> None:
        """A child left for good; one that only sleeps stays attached."""
        with self._lock:
            self._wanted.discard(child)
            self._attached.discard(child)
            worker = self._workers.pop(child, None) or self._relayed.pop(child, (None, None))[1]
            online = self._online
        if worker:
            worker.stop()
        if online:
            self._publish("detach", p.encode({0: [child]}), 1)

    def restarted(self, child: str, identity: Identity) -> None:
        """A driven child is back after `apply`, or after a reset of its own, and runs this."""
        with self._lock:
            old = self._workers.get(child)
            if old is None:
                return
            s = old.session
            worker = Worker(Session(identity, s.slot, s.memory, s.handlers, s.publish), f"muster-{child}")
            self._workers[child] = worker
            ready = self._online and child in self._attached
        old.stop()
        worker.start()
        if ready:
            worker.do(worker.session.connected)

    def relay(self, child: str, path: str, payload: bytes, qos: int = 0, done: Optional[Callable[[], None]] = None) -> None:
        """Forwards what a relayed child said. `done` is called once the PUBACK has come: only
        then acknowledge the message to the child. A Want is answered from the copy, if there is one."""
        if path == "want" and self._serve_want(child, payload):
            return
        token = self._publish_for(child, path, payload, qos)
        if done is not None and token is not None:
            call = done
            with self._lock:
                self._acks[token] = lambda _t: call()

    # From here on: what the connection calls.

    def connected(self) -> None:
        super().connected()
        with self._lock:
            self._online = True
            self._attached.clear()
            wanted = sorted(self._wanted)
            self._fetching = None
        for at in range(0, len(wanted), p.MAX_ATTACH):
            self._send_attach(wanted[at : at + p.MAX_ATTACH])

    def disconnected(self) -> None:
        with self._lock:
            self._online = False
            self._acks.clear()
            workers = list(self._workers.values())
            for image in self._images.values():
                image.wants.clear()
        super().disconnected()
        for worker in workers:
            worker.do(worker.session.disconnected)

    def acked(self, token: int) -> None:
        with self._lock:
            call = self._acks.pop(token, None)
        if call is None:
            super().acked(token)
        else:
            call(token)

    def received(self, topic: str, payload: bytes) -> None:
        prefix = f"d/{self.id}/b/"
        if topic.startswith(prefix):
            child, _, path = topic[len(prefix) :].partition("/down/")
            self._to_child(child, path, payload)
        elif topic == f"d/{self.id}/down/attached":
            self._on_attached(payload)
        elif topic == f"d/{self.id}/down/chunk" and self._on_chunk(payload):
            return
        else:
            super().received(topic, payload)

    def _to_child(self, child: str, path: str, payload: bytes) -> None:
        if path == "offer":
            self._note_offer(payload)
        with self._lock:
            worker = self._workers.get(child)
            relayed = self._relayed.get(child)
        if worker:
            session = worker.session
            worker.do(lambda: session.received(path, payload))
        elif relayed:
            driver, thread = relayed
            thread.do(lambda: driver.deliver(path, payload))

    def _on_attached(self, payload: bytes) -> None:
        try:
            outcomes = p.decode_attached(payload)
        except p.Malformed as err:
            log.warning("ignored a malformed attached: %s", err)
            return
        for child, reason in outcomes:
            with self._lock:
                if child not in self._wanted:
                    continue
                worker = self._workers.get(child)
                relayed = self._relayed.get(child)
                fresh = child not in self._attached
                if reason == 0:
                    self._attached.add(child)
            if reason == 0 and worker and fresh:
                worker.do(worker.session.connected)
            elif reason == 0 and relayed and fresh:
                driver, thread = relayed
                thread.do(_ask_for_hello(driver))
            elif reason in AGAIN:
                self._later(AGAIN[reason], lambda child=child: self._send_attach([child]))  # type: ignore[misc]
            elif reason:
                log.warning("%s can't be attached to this gateway (reason %d): is it imported, and does its product roam?", child, reason)

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, call)
        timer.daemon = True
        with self._lock:
            self._timers = [t for t in self._timers if t.is_alive()] + [timer]
        timer.start()

    def _send_attach(self, children: list[str]) -> None:
        self._publish("attach", p.encode({0: children}), 1)

    def _publish_for(self, child: str, path: str, payload: bytes, qos: int) -> Optional[int]:
        return self.connection.publish(f"d/{self.id}/b/{child}/up/{path}", payload, qos)

    def _child_publish(self, child: str, path: str, payload: bytes, qos: int) -> Optional[int]:
        if path == "want" and self._serve_want(child, payload):
            return None
        token = self._publish_for(child, path, payload, qos)
        if token is not None and qos:
            with self._lock:
                worker = self._workers.get(child)
                if worker:
                    self._acks[token] = _acknowledge(worker)
        return token

    # The copy of an image.

    def _note_offer(self, payload: bytes) -> None:
        try:
            offer = p.decode_offer(payload)
        except p.Malformed:
            return
        if not offer.cached:
            return
        with self._lock:
            image = self._images.get(offer.image)
            if image is None or image.chunk != offer.chunk and image.next == 0:
                self._images[offer.image] = _Image(offer)
            self._images.move_to_end(offer.image)
            while len(self._images) > CACHED_IMAGES:
                oldest = next(i for i in self._images if i != self._fetching)
                del self._images[oldest]
        self._fetch()

    def _fetch(self) -> None:
        """Asks for the next chunks of the image being fetched, or of the next one."""
        with self._lock:
            if not self._online or self.session.record.update:
                return  # one range at a time, and the gateway's own update goes first
            if self._fetching is None or self._fetching not in self._images:
                missing = [i for i, image in self._images.items() if image.next < image.count]
                if not missing:
                    return
                self._fetching = missing[0]
                self._images[self._fetching].asked = self._images[self._fetching].next
            key, image = self._fetching, self._images[self._fetching]
            if image.asked - image.next > self._window // 2 or image.asked >= image.count:
                return
            want = Want(key, image.asked, min(self._window, image.count - image.asked), image.chunk)
            image.asked += want.count
        self._publish("want", p.encode_want(want), 0)

    def _on_chunk(self, payload: bytes) -> bool:
        """Takes a chunk of the copy; says whether it was one."""
        try:
            chunk = p.decode_chunk(payload)
        except p.Malformed:
            return False
        with self._lock:
            image = self._images.get(chunk.image)
            if image is None or chunk.image != self._fetching:
                return False
            if chunk.index == image.next:
                image.data += chunk.data
            if image.next == image.count:
                self._fetching = None
            waiting = list(image.wants.items())
        for child, want in waiting:
            self._feed(child, want)
        self._fetch()
        return True

    def _serve_want(self, child: str, payload: bytes) -> bool:
        """Answers a Want from the copy; says whether the image is one the gateway has or fetches."""
        try:
            m = p.decode(payload)
            want = Want(m[0], m[1], m[2], m.get(3))
        except (p.Malformed, KeyError):
            return False
        with self._lock:
            if want.image not in self._images:
                return False
        self._feed(child, want)
        with self._lock:
            image = self._images.get(want.image)
            if image and self._fetching == want.image and image.asked > image.next:
                image.asked = image.next  # a repeated Want: the range may have been lost
        self._fetch()
        return True

    def _feed(self, child: str, want: Want) -> None:
        """Gives a child the chunks of its Want that are there, and notes the rest."""
        with self._lock:
            image = self._images.get(want.image)
            if image is None:
                return
            unit = want.chunk or image.chunk
            first, chunks = want.first, []
            while first < want.first + want.count:
                at = first * unit
                end = min(at + unit, image.size)
                if at >= image.size or end > len(image.data):
                    break
                chunks.append(Chunk(want.image, first, bytes(image.data[at:end])))
                first += 1
            left = want.first + want.count - first
            if left > 0 and first * unit < image.size:
                image.wants[child] = Want(want.image, first, left, want.chunk)
            else:
                image.wants.pop(child, None)
        for chunk in chunks:
            self._to_child(child, "chunk", p.encode_chunk(chunk))


def _acknowledge(worker: Worker) -> Callable[[int], None]:
    return lambda token: worker.do(lambda: worker.session.acked(token))


def _ask_for_hello(driver: RelayedChild) -> Callable[[], None]:
    """A Welcome with reason 14: the child says Hello, on each connection of the gateway."""
    return lambda: driver.deliver("welcome", p.encode({1: int(time.time()), 4: int(Reason.NOT_NOW)}))


class _Idle:
    """Stands where a worker expects a session, for relayed children, which hold their own."""

    def tick(self) -> float:
        return 60.0
