"""A device, and a gateway with a lossy radio, against a real server."""

from __future__ import annotations

import hashlib
import random
import tempfile
import threading
import time
import unittest
from pathlib import Path
from typing import Any, Optional

from muster_device import Device, DrivenChild, Gateway, Handlers, Identity, Record, Server, Session, VolatileMemory, Worker

from . import server
from .test_session import Flash

IMAGE = random.Random(7).randbytes(300_007)


class Lamp(Handlers):
    """An application that notes what it was asked to do."""

    def __init__(self) -> None:
        self.applied = threading.Event()
        self.done: list[tuple[int, str, bytes]] = []
        self.slow = threading.Event()
        self.partial: Optional[int] = None

    def apply(self, record: Record) -> None:
        self.applied.set()

    def command(self, number: int, name: str, payload: bytes) -> bytes:
        self.done.append((number, name, payload))
        return b"done"

    def progress(self, held: int, size: int) -> None:
        if self.partial is not None and held > self.partial:
            self.slow.set()
            time.sleep(0.2)


@unittest.skipUnless(server.MUSTER, "MUSTER names no muster binary: make check sets it")
class WithServer(unittest.TestCase):
    muster: server.Muster

    @classmethod
    def setUpClass(cls) -> None:
        cls.muster = server.Muster()
        cls.muster.upload(1, b"version one")
        cls.muster.upload(2, IMAGE)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.muster.close()

    def at(self, id: str, secret: str) -> Server:
        return Server(self.muster.host, id, secret, self.muster.port, keepalive=30)

    def lock(self, id: str, version: int) -> None:
        self.muster.call("PUT", f"/v1/products/lamp/devices/{id}", {"desired_firmware_version": version})

    def test_a_device_updates_over_a_restart_in_the_middle(self) -> None:
        secret = self.muster.device("py-1")
        self.lock("py-1", 2)
        with tempfile.TemporaryDirectory() as state:
            lamp = Lamp()
            lamp.partial = 100_000
            first = Device(self.at("py-1", secret), Identity(1, "lamp"), lamp, state, first_wait=0.1)
            first.start()
            self.assertTrue(lamp.slow.wait(30), "the download did not get to 100 kB")
            first.close()

            lamp = Lamp()
            second = Device(self.at("py-1", secret), Identity(1, "lamp"), lamp, state, first_wait=0.1)
            self.assertGreater(second.session.record.held, 60_000)
            second.start()
            self.assertTrue(lamp.applied.wait(30), "the update was not applied")
            second.close()
            self.assertEqual((Path(state) / "image").read_bytes(), IMAGE)

            with Device(self.at("py-1", secret), Identity(2, "lamp", digest=hashlib.sha256(IMAGE).digest()), Lamp(), state, first_wait=0.1) as third:
                server.eventually(lambda: self.muster.get("py-1")["firmware_version"] == 2, "version 2 is confirmed")
                server.eventually(lambda: not third.session.record.outcome[0], "the outcome was taken")
        updates = self.muster.call("GET", "/v1/devices/py-1/updates")["items"]
        self.assertEqual([(u["to"], u["state"], u["attempt"]) for u in updates], [(2, "confirmed", 1)])

    def test_messages_alerts_commands_and_not_now(self) -> None:
        secret = self.muster.device("py-2")
        lamp = Lamp()
        with tempfile.TemporaryDirectory() as state, Device(self.at("py-2", secret), Identity(1, facts={"modem": "nrf91"}), lamp, state, first_wait=0.1) as device:
            device.message(b"hello", "greeting")
            device.alert(3, "battery low", 11)
            messages = server.eventually(lambda: [m for m in self.muster.call("GET", "/v1/messages?deviceId=py-2")["items"]], "the message is there")
            self.assertTrue(messages[0]["topic"].endswith("greeting"))
            server.eventually(lambda: self.muster.call("GET", "/v1/alerts?deviceId=py-2")["items"], "the alert is there")
            device.set_updates(False)
            server.eventually(lambda: self.muster.get("py-2")["firmware_updates_enabled"] is False, "the device says not now")
            self.muster.call("POST", "/v1/devices/py-2/commands", {"name": "blink", "message": "twice"})
            server.eventually(lambda: lamp.done, "the command is done")
            self.assertEqual(lamp.done[0][1], "blink")

    def test_a_wrong_secret_is_refused_and_tried_again(self) -> None:
        self.muster.device("py-3")
        with tempfile.TemporaryDirectory() as state, self.assertLogs("muster_device", "WARNING") as logs:
            with Device(self.at("py-3", "wrong"), Identity(1), Lamp(), state, first_wait=0.1):
                server.eventually(lambda: len(logs.output) >= 2, "it tried twice", 40)
        self.assertIn("wrong id or secret", logs.output[0])

    def test_a_gateway_updates_its_children_from_one_copy(self) -> None:
        secret = self.muster.device("py-gw")
        names = [f"py-ble-{i}" for i in range(3)]
        self.muster.children("py-gw", *names)
        with tempfile.TemporaryDirectory() as state:
            gateway = Gateway(self.at("py-gw", secret), Identity(2, "lamp"), Lamp(), state, first_wait=0.1)
            peripherals = {n: Peripheral(n, gateway) for n in names}
            for name, peripheral in peripherals.items():
                self.lock(name, 2)
                gateway.attach(name, peripheral.driver(1))
            gateway.start()
            try:
                for name in names:
                    server.eventually(lambda: self.muster.get(name)["firmware_version"] == 2, f"{name} runs version 2")
                    self.assertEqual(bytes(peripherals[name].flash), IMAGE)
            finally:
                gateway.close()
        self.assertEqual(sum(p.writes for p in peripherals.values()), 3 * -(-len(IMAGE) // 1024), "a chunk went over the radio twice")


    def test_a_gateway_relays_for_children_that_speak_the_protocol(self) -> None:
        secret = self.muster.device("py-gw2")
        names = ["py-cbor-1", "py-cbor-2"]
        self.muster.children("py-gw2", *names)
        with tempfile.TemporaryDirectory() as state:
            gateway = Gateway(self.at("py-gw2", secret), Identity(2, "lamp"), Lamp(), state, first_wait=0.1)
            nodes = [CborNode(name, gateway) for name in names]
            for node in nodes:
                self.lock(node.name, 2)
                gateway.attach(node.name, node)
            gateway.start()
            try:
                for node in nodes:
                    server.eventually(lambda: self.muster.get(node.name)["firmware_version"] == 2, f"{node.name} runs version 2")
                    self.assertEqual(bytes(node.slot.durable), IMAGE)
            finally:
                gateway.close()
                for node in nodes:
                    node.worker.stop()


class CborNode(Handlers):
    """A BLE device with a session of its own; the radio between it and the gateway is a function call."""

    def __init__(self, name: str, gateway: Gateway) -> None:
        self.name, self.gateway, self.slot = name, gateway, Flash()
        self.tokens = 0
        self._start(1)

    def _start(self, version: int) -> None:
        self.session = Session(Identity(version, "lamp", chunk=2048, window=4), self.slot, self.slot, self, self.publish)
        self.worker = Worker(self.session, self.name)
        self.worker.start()

    def deliver(self, path: str, payload: bytes) -> None:
        session = self.session
        if path == "welcome" and not session.online:
            self.worker.do(session.connected)
        else:
            self.worker.do(lambda: session.received(path, payload))

    def publish(self, path: str, payload: bytes, qos: int) -> Optional[int]:
        self.tokens += 1
        token, session, worker = self.tokens, self.session, self.worker
        self.gateway.relay(self.name, path, payload, qos, done=lambda: worker.do(lambda: session.acked(token)))
        return token

    def apply(self, record: Record) -> None:
        old = self.worker
        self._start(2)
        old.stop()
        self.worker.do(self.session.connected)


class Peripheral:
    """A BLE device on a simulated radio that loses frames; the transport repeats them, as SMP does."""

    def __init__(self, name: str, gateway: Gateway) -> None:
        self.name, self.gateway = name, gateway
        self.flash = bytearray()
        self.writes = 0
        self.memory = VolatileMemory()
        self.rng = random.Random(name)

    def driver(self, version: int) -> DrivenChild:
        return DrivenChild(Identity(version, "lamp", chunk=1024, window=8), self, self, self.memory)

    # The slot: what an SMP image upload does.

    def begin(self, size: int) -> None:
        self.flash = bytearray()

    def write(self, at: int, data: bytes) -> None:
        for start in range(0, len(data), 244):  # one ATT payload
            while self.rng.random() < 0.02:  # lost on the air: sent again
                pass
            self.flash[at + start : at + start + 244] = data[start : start + 244]
        self.writes += 1

    def sync(self) -> None:
        pass

    def verify(self, size: int, digest: bytes) -> bool:
        return hashlib.sha256(self.flash).digest() == digest

    # The handlers of its session.

    def may_download(self, offer: Any) -> None:
        return None

    def may_apply(self, record: Any) -> None:
        return None

    def apply(self, record: Record) -> None:
        self.gateway.restarted(self.name, Identity(2, "lamp", chunk=1024, window=8))

    def keep(self) -> None:
        pass

    def command(self, number: int, name: str, payload: bytes) -> bytes:
        return b""

    def welcomed(self, welcome: Any) -> None:
        pass

    def progress(self, held: int, size: int) -> None:
        pass


if __name__ == "__main__":
    unittest.main()
