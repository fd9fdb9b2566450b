"""Frames on the socket: kind (1 byte), call id (8), length (4), big-endian, then that many bytes.

Most payloads are split in two: a 4-byte length, that many bytes of JSON (the *head*), and the rest
as it is, so that a body of megabytes is never wrapped in another JSON document.
"""

from __future__ import annotations

import struct
from typing import Iterator, List, Tuple, Union

# From the proxy.
LOAD = 1  # head: hook, path, name, config; rest: the file's bytes
CALL = 2  # head: hook, method, request; rest: the payload as JSON
CANCEL = 3
PING = 4
# From the worker.
HELLO = 16  # JSON: what runs here
UNCHANGED = 17  # head: the request's state if it changed; rest: nothing
PATCH = 18  # head: as above; rest: a list of edits as JSON
VALUE = 19  # head: as above; rest: the returned value as JSON
ERROR = 20  # JSON: kind, message, traceback, line
LOG = 21  # JSON: hook, level, logger, message
PONG = 22

FRAME = struct.Struct(">BQI")
LENGTH = struct.Struct(">I")

Buffer = Union[bytes, bytearray, memoryview]


class FrameError(Exception):
    """The peer does not speak this protocol, or sent more than the limit."""


def encode(kind: int, call: int, payload: bytes = b"") -> bytes:
    """One frame with a plain payload."""
    return FRAME.pack(kind, call, len(payload)) + payload


def encode_split(kind: int, call: int, head: bytes, rest: bytes = b"") -> bytes:
    """One frame whose payload is a head and a rest."""
    length = LENGTH.size + len(head) + len(rest)
    return b"".join((FRAME.pack(kind, call, length), LENGTH.pack(len(head)), head, rest))


def split(payload: Buffer) -> Tuple[bytes, bytes]:
    """A split payload's head and rest."""
    if len(payload) < LENGTH.size:
        raise FrameError("a split payload without its length")
    (length,) = LENGTH.unpack_from(payload)
    start = LENGTH.size + length
    if start > len(payload):
        raise FrameError("a head longer than its frame")
    return bytes(payload[LENGTH.size : start]), bytes(payload[start:])


class Decoder:
    """Cuts a byte stream into frames, however it arrives in pieces."""

    def __init__(self, limit: int) -> None:
        #: The longest payload taken, in bytes.
        self.limit = limit
        # Pieces are joined once a frame is whole: joining at every read would be quadratic.
        self._pieces: List[bytes] = []
        self._held = 0
        self._wanted = FRAME.size

    def feed(self, data: bytes) -> Iterator[Tuple[int, int, memoryview]]:
        """The frames that are whole now: kind, call id, payload (valid until the next feed)."""
        self._pieces.append(data)
        self._held += len(data)
        if self._held < self._wanted:
            return
        whole = memoryview(self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces))
        at = 0
        while True:
            left = len(whole) - at
            if left < FRAME.size:
                self._wanted = FRAME.size
                break
            kind, call, length = FRAME.unpack_from(whole, at)
            if length > self.limit:
                raise FrameError(f"a frame of {length} bytes, over the limit of {self.limit}")
            if left < FRAME.size + length:
                self._wanted = FRAME.size + length
                break
            start = at + FRAME.size
            at = start + length
            yield kind, call, whole[start:at]
        self._pieces = [bytes(whole[at:])] if at < len(whole) else []
        self._held = len(whole) - at
