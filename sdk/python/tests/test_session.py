"""The state machine against a scripted server, with the power failing at every write."""

from __future__ import annotations

import hashlib
import unittest
from typing import Any, Optional

from muster_device import Handlers, Identity, Later, Outcome, Reason, Record, Session, VolatileMemory
from muster_device import protocol as p

IMAGE = bytes(i % 251 for i in range(200_001))
DIGEST = hashlib.sha256(IMAGE).digest()


class PowerLoss(Exception):
    """The device goes dark."""


class Flash:
    """A slot and a memory that lose what was not synced, after a number of writes."""

    def __init__(self) -> None:
        self.durable, self.pending = bytearray(), []
        self.record = Record()
        self.left: Optional[int] = None  # writes until the power fails

    def _write(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise PowerLoss

    def begin(self, size: int) -> None:
        self._write()
        self.durable, self.pending = bytearray(), []

    def write(self, at: int, data: bytes) -> None:
        self._write()
        self.pending.append((at, data))

    def sync(self) -> None:
        for at, data in self.pending:
            self._write()
            self.durable[at : at + len(data)] = data
        self.pending = []

    def verify(self, size: int, digest: bytes) -> bool:
        self.sync()
        return hashlib.sha256(self.durable[:size]).digest() == digest

    def load(self) -> Record:
        return self.record

    def save(self, record: Record) -> None:
        self._write()
        self.record = record

    def off(self) -> None:
        self.pending, self.left = [], None


class Application(Handlers):
    def __init__(self) -> None:
        self.restarted: Optional[Record] = None
        self.done: list[int] = []
        self.download: Any = None
        self.applying: Any = None
        self.kept = 0

    def may_download(self, offer: p.Offer) -> Any:
        return self.download

    def may_apply(self, offer: Record) -> Any:
        return self.applying

    def apply(self, record: Record) -> None:
        self.restarted = record

    def keep(self) -> None:
        self.kept += 1

    def command(self, number: int, name: str, payload: bytes) -> bytes:
        self.done.append(number)
        return b"did " + payload


class Server:
    """Answers a session as the real server would, without a network."""

    def __init__(self, version: p.Version = 2, chunk: int = 4096, image: bytes = IMAGE) -> None:
        self.version, self.chunk, self.image = version, chunk, image
        self.digest = hashlib.sha256(image).digest()
        self.sent: list[tuple[str, dict[Any, Any], int]] = []
        self.queue: list[tuple[str, bytes]] = []
        self.token = 0
        self.acks: list[int] = []
        self.chunks: list[int] = []
        self.update = b"u" * 16

    def publish(self, path: str, payload: bytes, qos: int) -> Optional[int]:
        message = p.decode(payload) if path in ("hello", "want", "report", "alert") else {"raw": payload}
        self.sent.append((path, message, qos))
        if path == "hello":
            self.answer(message)
        elif path == "want":
            self.push(message[1], message[2])
        self.token += 1
        if qos:
            self.acks.append(self.token)
        return self.token if qos else None

    def answer(self, hello: dict[Any, Any]) -> None:
        self.queue.append(("welcome", p.encode({0: hello[12], 1: 1, 2: self.version})))
        if p.same_version(hello[1], self.version) or hello.get(8) is False:
            return
        first = 0
        if 6 in hello and hello[6][0] == self.digest[:8]:
            first = hello[6][1]
        count = -(-len(self.image) // self.chunk)
        self.queue.append(("offer", p.encode({0: self.update, 1: self.version, 2: self.digest[:8], 3: len(self.image), 4: self.digest, 5: self.chunk, 6: count, 7: first})))
        self.push(first, hello[5])

    def push(self, first: int, count: int) -> None:
        for i in range(first, min(first + count, -(-len(self.image) // self.chunk))):
            self.chunks.append(i)
            data = self.image[i * self.chunk : (i + 1) * self.chunk]
            self.queue.append(("chunk", p.encode({0: self.digest[:8], 1: i, 2: data})))

    def run(self, session: Session, most: int = 10_000) -> None:
        while self.queue or self.acks:
            most -= 1
            if most == 0:
                raise AssertionError("no end")
            if self.acks:
                session.acked(self.acks.pop(0))
            else:
                session.received(*self.queue.pop(0))

    def reports(self) -> list[int]:
        return [m[1] for path, m, _ in self.sent if path == "report"]


def session(server: Server, flash: Flash, app: Application, version: p.Version = 1, clock: Any = None) -> Session:
    return Session(Identity(version), flash, flash, app, server.publish, clock=clock or (lambda: 0.0))


class Updates(unittest.TestCase):
    def test_an_update_ends_in_a_restart_and_is_confirmed_by_the_next_hello(self) -> None:
        server, flash, app = Server(), Flash(), Application()
        s = session(server, flash, app)
        s.connected()
        server.run(s)
        self.assertEqual(bytes(flash.durable), IMAGE)
        self.assertEqual(server.reports(), [p.State.STORED, p.State.APPLYING])
        self.assertEqual(len(server.chunks), len(set(server.chunks)), "a chunk was asked for twice")
        self.assertTrue(flash.record.applying)
        s = session(server, flash, app, version=2)
        self.assertEqual(flash.record.outcome[1], Outcome.CONFIRMED)
        s.connected()
        hello = server.sent[-1][1]
        self.assertEqual(hello[9], [server.update, Outcome.CONFIRMED, 0])
        self.assertEqual(app.kept, 1, "only the Welcome to the first version")
        server.run(s)
        self.assertEqual(flash.record.outcome[0], b"", "reported until a Welcome")
        self.assertEqual(app.kept, 2)

    def test_a_boot_of_the_old_version_is_reported_as_rolled_back(self) -> None:
        server, flash, app = Server(), Flash(), Application()
        s = session(server, flash, app)
        s.connected()
        server.run(s)
        s = session(server, flash, app, version=1)
        s.connected()
        self.assertEqual(server.sent[-1][1][9], [server.update, Outcome.ROLLED_BACK, Reason.ROLLED_BACK])

    def test_power_loss_at_every_write_costs_at_most_32_kib(self) -> None:
        cut, seen = 0, False
        while not seen:
            server, flash, app = Server(), Flash(), Application()
            flash.left = cut
            held = 0
            for _ in range(3):
                try:
                    s = session(server, flash, app)
                    s.connected()
                    server.run(s)
                except PowerLoss:
                    held = flash.record.held
                    before = len(set(server.chunks)) * server.chunk
                    self.assertLessEqual(before - held, (32 << 10) + 17 * server.chunk, f"cut at write {cut}")
                    server.queue, server.acks = [], []
                    flash.off()
                    continue
                break
            else:
                self.fail(f"no end after a cut at write {cut}")
            seen = flash.left is not None
            self.assertEqual(bytes(flash.durable), IMAGE, f"cut at write {cut}")
            self.assertIsNotNone(app.restarted)
            cut += 1
        self.assertGreater(cut, 100)

    def test_a_damaged_image_is_refused_and_forgotten(self) -> None:
        server, flash, app = Server(), Flash(), Application()
        s = session(server, flash, app)
        s.connected()
        flash.verify = lambda size, digest: False  # type: ignore[method-assign]
        server.run(s)
        self.assertEqual(server.reports(), [p.State.FAILED])
        self.assertEqual(flash.record.digest, b"")
        self.assertIsNone(app.restarted)

    def test_foreign_repeated_and_reordered_chunks_change_nothing(self) -> None:
        server, flash, app = Server(), Flash(), Application()
        s = session(server, flash, app)
        s.connected()
        odd: list[tuple[str, bytes]] = []
        for path, payload in server.queue:
            odd.append((path, payload))
            if path == "chunk":
                c = p.decode_chunk(payload)
                odd.append((path, payload))
                odd.append((path, p.encode({0: b"x" * 8, 1: c.index, 2: c.data})))
                odd.append((path, p.encode({0: c.image, 1: c.index + 5, 2: b"wrong"})))
                odd.append((path, payload[:-1]))
        server.queue = odd
        server.run(s)
        self.assertEqual(bytes(flash.durable), IMAGE)

    def test_a_stop_ends_the_update_and_keeps_the_part_that_is_there(self) -> None:
        server, flash, app = Server(), Flash(), Application()
        s = session(server, flash, app)
        s.connected()
        for _ in range(6):
            s.received(*server.queue.pop(0))
        server.queue = [("stop", p.encode({0: server.digest[:8], 1: 2, 2: server.update}))]
        server.run(s)
        self.assertEqual(flash.record.update, b"")
        self.assertGreater(flash.record.held, 0)
        s.hello()
        self.assertIn(6, server.sent[-1][1])
        server.run(s)
        self.assertEqual(bytes(flash.durable), IMAGE)

    def test_later_says_not_now_until_the_time_has_passed(self) -> None:
        now = [0.0]
        server, flash, app = Server(), Flash(), Application()
        app.download = Later(300)
        s = session(server, flash, app, clock=lambda: now[0])
        s.connected()
        server.queue = server.queue[:2]
        server.run(s)
        self.assertEqual(server.reports(), [p.State.DISABLED])
        app.download, now[0] = None, 301.0
        s.tick()
        self.assertEqual(server.reports(), [p.State.DISABLED, p.State.ENABLED])

    def test_a_refused_image_fails_with_the_reason(self) -> None:
        server, flash, app = Server(), Flash(), Application()
        app.download = Reason.HARDWARE
        s = session(server, flash, app)
        s.connected()
        server.queue = server.queue[:2]
        server.run(s)
        path, message, qos = server.sent[-1]
        self.assertEqual((path, message[1], message[2], message[5], qos), ("report", p.State.FAILED, Reason.HARDWARE, server.update, 1))

    def test_another_image_replaces_the_one_under_way(self) -> None:
        first, flash, app = Server(image=IMAGE[::-1]), Flash(), Application()
        s = session(first, flash, app)
        s.connected()
        for _ in range(6):
            s.received(*first.queue.pop(0))
        second = Server()
        second.update = b"v" * 16
        s.publish = second.publish
        s.hello()
        second.run(s)
        self.assertEqual(bytes(flash.durable), IMAGE)
        self.assertEqual(second.reports(), [p.State.STORED, p.State.APPLYING])

    def test_a_stop_after_applying_is_ignored(self) -> None:
        server, flash, app = Server(), Flash(), Application()
        s = session(server, flash, app)
        s.connected()
        while p.State.APPLYING not in server.reports():
            s.received(*server.queue.pop(0))
        s.received("stop", p.encode({0: server.digest[:8], 1: 2, 2: server.update}))
        server.run(s)
        self.assertIsNotNone(app.restarted)

    def test_the_chunk_size_may_change_on_resume(self) -> None:
        server, flash, app = Server(chunk=4096), Flash(), Application()
        s = session(server, flash, app)
        s.connected()
        for _ in range(25):
            s.received(*server.queue.pop(0))
        s.disconnected()
        server.queue, server.chunk = [], 32768
        server.answer = lambda hello: Server.answer(server, {**hello, 6: [hello[6][0], hello[6][1] * hello[6][2] // 32768]})  # type: ignore[method-assign]
        s.connected()
        server.run(s)
        self.assertEqual(bytes(flash.durable), IMAGE)


class Waiting(unittest.TestCase):
    def test_a_hello_without_a_welcome_is_repeated_with_growing_pauses(self) -> None:
        now, server = [0.0], Server()
        server.answer = lambda hello: None  # type: ignore[method-assign]
        s = session(server, Flash(), Application(), clock=lambda: now[0])
        s.connected()
        times = []
        while now[0] < 100:
            now[0] += 1
            before = len(server.sent)
            s.tick()
            if len(server.sent) > before:
                times.append(now[0])
        self.assertEqual(times, [10.0, 30.0, 70.0])

    def test_ten_seconds_without_a_chunk_repeat_the_want_from_the_first_that_is_missing(self) -> None:
        now, server = [0.0], Server()
        s = session(server, Flash(), Application(), clock=lambda: now[0])
        s.connected()
        for _ in range(4):  # welcome, offer, chunks 0 and 1
            s.received(*server.queue.pop(0))
        server.queue = []
        server.sent = []
        now[0] = 10.5
        s.tick()
        self.assertEqual([(path, m[1], m[2]) for path, m, _ in server.sent], [("want", 2, 8)])

    def test_a_welcome_for_another_boot_is_ignored(self) -> None:
        server = Server()
        s = session(server, Flash(), Application())
        s.connected()
        server.queue = [("welcome", p.encode({0: s.boot + 1, 1: 1}))]
        server.run(s)
        self.assertIsNotNone(s._hello_due)

    def test_reason_14_unasked_asks_for_a_hello_and_as_an_answer_does_not(self) -> None:
        server = Server(version=1)
        s = session(server, Flash(), Application())
        s.connected()
        server.run(s)
        before = len(server.sent)
        s.received("welcome", p.encode({1: 1, 4: 14}))
        self.assertEqual([path for path, _, _ in server.sent[before:]], ["hello"])
        server.queue = [("welcome", p.encode({0: s.boot, 1: 1, 4: 14}))]
        before = len(server.sent)
        server.run(s)
        self.assertEqual(len(server.sent), before)


class Commands(unittest.TestCase):
    def test_a_repeated_command_is_answered_and_not_done_again(self) -> None:
        server, flash, app = Server(version=1), Flash(), Application()
        s = session(server, flash, app)
        s.connected()
        for _ in range(2):
            s.received("cmd/3/blink", b"twice")
        self.assertEqual(app.done, [3])
        s = session(server, flash, app)  # and after a restart
        s.connected()
        s.received("cmd/3/blink", b"twice")
        self.assertEqual(app.done, [3])
        self.assertEqual([m["raw"] for path, m, _ in server.sent if path == "done/3"], [b"did twice"] * 3)


class Messages(unittest.TestCase):
    def test_a_message_is_sent_until_it_is_acknowledged(self) -> None:
        server, s = Server(version=1), None
        s = session(server, Flash(), Application())
        s.message(b"early", "log")
        sent = lambda: [m["raw"] for path, m, _ in server.sent if path == "msg/log"]  # noqa: E731
        self.assertEqual(sent(), [], "there is no connection yet")
        s.connected()
        s.disconnected()
        server.acks = []
        s.connected()
        self.assertEqual(sent(), [b"early"] * 2)
        server.run(s)
        s.disconnected()
        s.connected()
        self.assertEqual(sent(), [b"early"] * 2, "it was acknowledged")


class Limits(unittest.TestCase):
    def test_what_the_server_would_reject_is_refused_here(self) -> None:
        with self.assertRaises(ValueError):
            Session(Identity(1, chunk=65536, window=8), Flash(), VolatileMemory(), Application(), Server().publish)
        s = session(Server(), Flash(), Application())
        with self.assertRaises(ValueError):
            s.message(b"x" * 16385)


if __name__ == "__main__":
    unittest.main()
