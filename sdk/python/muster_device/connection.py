"""The MQTT connection on paho-mqtt 1.6 or 2.x: connects, reconnects with full jitter, publishes."""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass
from typing import Any, Callable, Optional, Protocol

import paho.mqtt.client as mqtt

from .protocol import TAKEOVER_PAUSE

log = logging.getLogger("muster_device")

FIRST_WAIT = 1.0  # seconds, the longest wait before the first reconnect; doubles
LONGEST_WAIT = 300.0  # seconds


class Refused(Exception):
    """The server refused the connection: wrong id or secret, or the device is disabled."""


class Listener(Protocol):
    """Hears of a connection, from the connection's threads. Methods return quickly."""

    def connected(self) -> None: ...

    def disconnected(self) -> None: ...

    def received(self, topic: str, payload: bytes) -> None: ...

    def acked(self, token: int) -> None: ...


@dataclass
class Server:
    """Where the server is, and who connects."""

    host: str
    device: str
    secret: str
    port: int = 1883
    tls: bool = False  # usually with port 8883
    ca: Optional[str] = None  # file of the certificates to trust; the system's by default
    keepalive: int = 60  # seconds
    user: Optional[str] = None  # the user name, if the import shows one (id@team); the device id by default


def _client(device: str) -> Any:
    """A client of either major version of paho."""
    version = getattr(mqtt, "CallbackAPIVersion", None)
    if version is None:
        return mqtt.Client(client_id=device, clean_session=True)
    return mqtt.Client(version.VERSION1, client_id=device, clean_session=True)


class Connection:
    """Keeps one device connected until `close`. Publishing is safe from any thread."""

    def __init__(self, server: Server, listener: Listener, first_wait: float = FIRST_WAIT, rng: Optional[random.Random] = None) -> None:
        self.server = server
        self.listener = listener
        self._first_wait = first_wait
        self._rng = rng or random.SystemRandom()
        self._over = threading.Event()
        self._lost = threading.Event()
        self._answered = threading.Event()
        self._code = -1
        self._since = 0.0
        self._client: Any = None
        self._thread = threading.Thread(target=self._run, name="muster-connection", daemon=True)
        self._settled = threading.Event()  # set by settle(): a Welcome came on this connection

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Disconnects and waits for the connection's threads."""
        self._over.set()
        self._lost.set()
        self._answered.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()

    def settle(self) -> None:
        """The server serves this device: waits before reconnects start small again. Call it in `received`."""
        self._settled.set()

    def publish(self, topic: str, payload: bytes, qos: int) -> Optional[int]:
        """Sends a message; returns the token of its PUBACK, None without a connection."""
        client = self._client
        if client is None:
            return None
        info = client.publish(topic, payload, qos)
        return int(info.mid) if info.rc == mqtt.MQTT_ERR_SUCCESS else None

    def _run(self) -> None:
        wait, kicked = self._first_wait, 0
        while not self._over.is_set():
            pause = self._rng.uniform(0, wait)
            if self._connect():
                self._lost.wait()
                lived = time.monotonic() - self._since
                self.listener.disconnected()
                served = self._settled.is_set()
                if served:
                    wait, pause = self._first_wait, self._rng.uniform(0, self._first_wait)
                # MQTT 3.1.1 does not say why a server closes. Twice in a row soon after a Welcome is
                # taken for another client with the same id.
                kicked = kicked + 1 if served and lived < TAKEOVER_PAUSE else 0
                if kicked >= 2:
                    pause += TAKEOVER_PAUSE
            self._drop()
            wait = min(2 * wait, LONGEST_WAIT)
            self._over.wait(pause)

    def _connect(self) -> bool:
        client = _client(self.server.device)
        client.username_pw_set(self.server.user or self.server.device, self.server.secret)
        if self.server.tls:
            client.tls_set(ca_certs=self.server.ca)
        client.on_connect = self._on_connect
        client.on_disconnect = lambda *_: self._lost.set()
        client.on_message = lambda _c, _u, m: self.listener.received(m.topic, m.payload)
        client.on_publish = lambda _c, _u, mid, *_: self.listener.acked(mid)
        client.max_inflight_messages_set(64)
        self._lost.clear()
        self._answered.clear()
        self._settled.clear()
        self._code = -1
        self._client = client
        try:
            client.connect(self.server.host, self.server.port, keepalive=self.server.keepalive)
        except OSError as err:
            log.warning("can't reach %s:%d: %s", self.server.host, self.server.port, err)
            return False
        client.loop_start()
        self._answered.wait(10)
        if self._code == 0:
            return True
        log.warning("%s", _refusal(self._code))
        return False

    def _on_connect(self, _client: Any, _user: Any, _flags: Any, code: Any, *_: Any) -> None:
        self._code = int(getattr(code, "value", code))
        if self._code == 0:
            self._since = time.monotonic()
            self.listener.connected()
        self._answered.set()

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()


def _refusal(code: int) -> str:
    if code == 3:
        return "the server is busy, or its store does not answer; trying again"
    if code == 5:
        return "the server refused the device: wrong id or secret, or the device is disabled"
    if code < 0:
        return "the server did not answer within 10 s"
    return f"the server refused the connection with code {code}"


Publisher = Callable[[str, bytes, int], Optional[int]]
