"""A thread that drives one session, so that a slow radio or disk delays nobody else."""

from __future__ import annotations

import logging
import queue
import threading
from typing import Callable

from .session import Session

log = logging.getLogger("muster_device")

QUEUE = 256  # messages that wait for one session; more than a window of chunks and its controls


class Worker:
    """Calls a session from one thread, in the order in which things happen."""

    def __init__(self, session: Session, name: str) -> None:
        self.session = session
        self._inbox: queue.Queue[Callable[[], None]] = queue.Queue(QUEUE)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def do(self, call: Callable[[], object]) -> None:
        """Has `call` done in the session's thread. Blocks while the queue is full, unless it ended."""
        while not self._over.is_set():
            try:
                self._inbox.put(call, timeout=1)  # type: ignore[arg-type]
                return
            except queue.Full:
                continue

    def stop(self) -> None:
        """Ends the thread and waits for it; what is queued is dropped."""
        self._over.set()
        try:
            self._inbox.put_nowait(lambda: None)
        except queue.Full:
            pass
        if threading.current_thread() is not self._thread and self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                call = self._inbox.get(timeout=self.session.tick())
            except queue.Empty:
                continue
            try:
                call()
            except Exception:  # a handler of the application failed: the device must stay reachable
                log.exception("a handler failed")
