"""The socket to the proxy: read as soon as something comes, written at once.

asyncio's own transports take several steps of Python more for each call, which is a third of what a
short one costs a worker whose processor was idle.
"""

from __future__ import annotations

import asyncio
import os
import select
import selectors
import socket
from typing import Any, Callable, List, Optional, Tuple

_Events = List[Tuple[selectors.SelectorKey, int]]

# Whoever waits for something of the socket's in asyncio's way: nobody reads, and nobody writes yet.
_NOBODY = (None, None)


class Selector(selectors.DefaultSelector):
    """The loop's selector. What comes over one socket is read before the loop hears of it."""

    def __init__(self) -> None:
        super().__init__()
        self._served = -1
        self._serve: Callable[[], None] = lambda: None
        self._poll: Optional[Callable[[int, int], List[Tuple[int, int]]]] = None
        if hasattr(select, "epoll"):
            # The same one that `select()` asks, without the list of keys that it makes.
            self._poll = select.epoll.fromfd(os.dup(self.fileno())).poll

    def serve(self, connection: socket.socket, serve: Callable[[], None]) -> None:
        """Have this called whenever there is something to read."""
        self._served, self._serve = connection.fileno(), serve
        self.register(self._served, selectors.EVENT_READ, _NOBODY)

    def select(self, timeout: Optional[float] = None) -> _Events:
        """What the loop is to look at; it passes over events of what nobody waits for."""
        if timeout is None and self._poll is not None:
            # The loop has nothing else to do, as it mostly has not.
            if self._poll(-1, 1) == [(self._served, select.EPOLLIN)]:
                self._serve()
                return []
            timeout = 0
        events = super().select(timeout)
        for key, mask in events:
            if key.fd == self._served and mask & selectors.EVENT_READ:
                self._serve()
        return events


class Connection:
    """Reads for a reader of bytes, and writes what fits, the rest as soon as it does."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, selector: Selector, connection: socket.socket
    ) -> None:
        self._loop = loop
        self._selector = selector
        self._socket = connection
        self._send = connection.send
        self._receive = connection.recv_into
        #: What could not be written yet.
        self._left = bytearray()

    def serve(self, room: Callable[[], memoryview], filled: Callable[[int], Any]) -> None:
        """Read into the room, and tell how much, from now on; the end of the socket is ours."""
        receive = self._receive

        def read() -> None:
            try:
                count = receive(room())
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                count = 0
            if not count:
                # At once: hooks may have left threads that would keep the process.
                os._exit(0)
            filled(count)

        self._selector.serve(self._socket, read)

    def write(self, data: bytes) -> None:
        """Write; from the loop's thread."""
        if not self._left:
            sent = self._sent(data)
            if sent == len(data):
                return
            data = data[sent:]
            self._loop.add_writer(self._socket.fileno(), self._write_left)
        self._left += data

    def _write_left(self) -> None:
        del self._left[: self._sent(self._left)]
        if not self._left:
            self._loop.remove_writer(self._socket.fileno())

    def _sent(self, data: Any) -> int:
        try:
            return self._send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            os._exit(0)
