"""Starts a real `muster serve --ephemeral` for a test. MUSTER names the binary."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, Optional

MUSTER = os.environ.get("MUSTER", "")
EMAIL, PASSWORD = "owner@example.com", "correct horse battery staple"


class Muster:
    """A server with one product `lamp`."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        ready = Path(self.folder.name) / "ready"
        self.process = subprocess.Popen(
            [MUSTER, "serve", "--ephemeral", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--ready-file", str(ready), "--log-level", "error"],
            env={**os.environ, "MUSTER_OWNER_EMAIL": EMAIL, "MUSTER_OWNER_PASSWORD": PASSWORD},
        )
        until = time.monotonic() + 60
        while not ready.exists() or not ready.read_text().strip():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("muster serve did not start")
            time.sleep(0.05)
        addresses = json.loads(ready.read_text())
        self.url = "http://" + addresses["http"]
        host, _, port = addresses["mqtt"].rpartition(":")
        self.host, self.port = host, int(port)
        self.token = ""
        form = f"grant_type=password&username={EMAIL.replace('@', '%40')}&password={PASSWORD.replace(' ', '+')}"
        self.token = self.call("POST", "/oauth/token", form.encode(), "application/x-www-form-urlencoded")["access_token"]
        self.call("POST", "/v1/products", {"name": "Lamp", "slug": "lamp"})

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data=data, method=method)
        if self.token:
            request.add_header("Authorization", "Bearer " + self.token)
        if data is not None:
            request.add_header("Content-Type", kind)
        with urllib.request.urlopen(request, timeout=30) as response:
            text = response.read()
        return json.loads(text) if text else None

    def device(self, id: str) -> str:
        """Imports a device and returns its secret."""
        return str(self.call("POST", "/v1/products/lamp/devices", {"id": id})["secrets"][id])

    def children(self, gateway: str, *ids: str) -> None:
        self.call("POST", "/v1/products/lamp/devices", {"ids": list(ids), "gateway": gateway})

    def upload(self, version: int, image: bytes) -> None:
        boundary = "muster-test"
        parts = b""
        for name, value in (("version", str(version)), ("title", f"v{version}")):
            parts += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        parts += f'--{boundary}\r\nContent-Disposition: form-data; name="binary"; filename="image.bin"\r\nContent-Type: application/octet-stream\r\n\r\n'.encode() + image + f"\r\n--{boundary}--\r\n".encode()
        self.call("POST", "/v1/products/lamp/firmware", parts, f"multipart/form-data; boundary={boundary}")

    def release(self, version: int) -> None:
        self.call("PUT", "/v1/products/lamp/firmware/release", {"version": version, "product_default": True, "intelligent": True})

    def get(self, id: str) -> Any:
        return self.call("GET", f"/v1/devices/{id}")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self.folder.cleanup()


def eventually(claim: Any, what: str, seconds: float = 60) -> Any:
    """Returns the first true value of claim()."""
    until = time.monotonic() + seconds
    value: Optional[Any] = None
    while time.monotonic() < until:
        value = claim()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"timed out waiting until {what}")
