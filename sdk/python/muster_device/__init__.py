"""Muster's device protocol for Linux devices, gateways and test benches.

    from muster_device import Device, Handlers, Identity, Server
"""

from .connection import Connection, Server
from .device import Device
from .gateway import DrivenChild, Gateway, RelayedChild
from .protocol import Offer, Outcome, Reason, State, Welcome
from .session import Handlers, Identity, Later, Session
from .storage import FileMemory, FileSlot, Memory, Record, Slot, VolatileMemory
from .worker import Worker

__all__ = [
    "Connection", "Device", "DrivenChild", "FileMemory", "FileSlot", "Gateway", "Handlers", "Identity", "Later", "Memory", "Offer",
    "Outcome", "Reason", "Record", "RelayedChild", "Server", "Session", "Slot", "State", "VolatileMemory", "Welcome", "Worker",
]

__version__ = "0.1.0"
