"""A Linux device: stores the image in a file, hands it to an installer, restarts.

    MUSTER_SECRET=... python3 examples/linux_device.py --host muster.example.com --id box-1 --version 1.4.0 \\
        --state /var/lib/muster-device --install 'rauc install {image}'
"""

from __future__ import annotations

import argparse
import logging
import os
import shlex
import subprocess
import sys
import threading
from pathlib import Path

from muster_device import Device, Handlers, Identity, Record, Server


class Installer(Handlers):
    """Runs a command to install the image; exits with 0 when the machine should restart."""

    def __init__(self, command: str, image: Path) -> None:
        self.words = shlex.split(command)
        self.image = image
        self.over = threading.Event()

    def apply(self, record: Record) -> None:
        subprocess.run([w.replace("{image}", str(self.image)) for w in self.words], check=True)
        self.over.set()

    def command(self, number: int, name: str, payload: bytes) -> bytes:
        if name == "uptime":
            return Path("/proc/uptime").read_bytes().split()[0]
        return b"unknown command"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, default=8883)
    parser.add_argument("--plain", action="store_true", help="without TLS, for tests")
    parser.add_argument("--ca", help="file of the certificates to trust")
    parser.add_argument("--id", required=True, help="device id; the secret comes from MUSTER_SECRET")
    parser.add_argument("--version", required=True, help="what runs now")
    parser.add_argument("--product")
    parser.add_argument("--state", type=Path, required=True, help="folder for the image and the record")
    parser.add_argument("--install", required=True, help="command that installs {image}")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    secret = os.environ.get("MUSTER_SECRET")
    if not secret:
        parser.error("set MUSTER_SECRET to the secret that the import printed")
    version = int(options.version) if options.version.isdigit() else options.version
    installer = Installer(options.install, options.state / "image")
    server = Server(options.host, options.id, secret, options.port, tls=not options.plain, ca=options.ca)
    with Device(server, Identity(version, options.product, chunk=16384, window=16), installer, options.state) as device:
        device.healthy()  # this program runs and is the self-test
        installer.over.wait()
    return 0  # systemd, or a script, restarts the machine or this program


if __name__ == "__main__":
    sys.exit(main())
