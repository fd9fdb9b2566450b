"""Frames on the socket: kind (1 byte), call id (8), length (4), big-endian, then that many bytes.

Most payloads are split in two: a 4-byte length, that many bytes of JSON (the *head*), and the rest
as it is, so that a body of megabytes is never wrapped in another JSON document.
"""

from __future__ import annotations

import struct
from typing import List, Tuple

# From the proxy.
LOAD = 1  # head: hook, path, name, config; rest: the file's bytes
CALL = 2  # hook (4), method (1), shared (1), length of the request (4); request and payload as JSON
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

# The methods that a call may be of, by their number.
METHODS = ("pre_input", "post_output", "pre_tool_use", "post_tool_use", "stop")

FRAME = struct.Struct(">BQI")
LENGTH = struct.Struct(">I")
SPLIT = struct.Struct(">BQII")
CALLED = struct.Struct(">IBBI")


class FrameError(Exception):
    """The peer does not speak this protocol, or sent more than the limit."""


def encode(kind: int, call: int, payload: bytes = b"") -> bytes:
    """One frame with a plain payload."""
    return FRAME.pack(kind, call, len(payload)) + payload


def encode_split(kind: int, call: int, head: bytes, rest: bytes = b"") -> bytes:
    """One frame whose payload is a head and a rest."""
    length = LENGTH.size + len(head) + len(rest)
    return b"".join((SPLIT.pack(kind, call, length, len(head)), head, rest))


def split(payload: memoryview) -> Tuple[memoryview, memoryview]:
    """A split payload's head and rest; both are valid as long as the payload is."""
    if len(payload) < LENGTH.size:
        raise FrameError("a split payload without its length")
    (length,) = LENGTH.unpack_from(payload)
    start = LENGTH.size + length
    if start > len(payload):
        raise FrameError("a head longer than its frame")
    return payload[LENGTH.size : start], payload[start:]


def called(payload: memoryview) -> Tuple[int, str, bool, bytes, memoryview]:
    """A call's hook, method, whether it may come to wait, its request, and its payload (which is
    valid as long as the frame is)."""
    if len(payload) < CALLED.size:
        raise FrameError("a call without its head")
    hook, method, shared, length = CALLED.unpack_from(payload)
    start = CALLED.size + length
    if method >= len(METHODS):
        raise FrameError(f"an unknown method: {method}")
    if start > len(payload):
        raise FrameError("a request longer than its frame")
    request = bytes(payload[CALLED.size : start])
    return hook, METHODS[method], bool(shared), request, payload[start:]


# Room for the usual frame; a socket gives no more than a few of these at once.
ROOM = 256 * 1024


class Decoder:
    """Cuts a byte stream into frames, however it arrives in pieces.

    What arrives is written into :meth:`room`, so that a body is not copied before it is read.
    """

    def __init__(self, limit: int) -> None:
        #: The longest payload taken, in bytes.
        self.limit = limit
        self._view = memoryview(bytearray(ROOM))
        # What is there and has not been cut off yet.
        self._start = self._end = 0
        # How much has to be there, from the start on, for anything to be cut off.
        self._wanted = FRAME.size

    def room(self) -> memoryview:
        """Where the next bytes go; tell :meth:`filled` how many."""
        held = self._end - self._start
        if held == 0 and len(self._view) == ROOM and self._wanted == FRAME.size:
            # So it is before nearly every call.
            self._start = self._end = 0
            return self._view
        size = max(ROOM, self._wanted)
        if held == 0:
            self._start = self._end = 0
        if len(self._view) > size or len(self._view) - self._start < self._wanted:
            # A large frame comes or has gone, or there is no room for the rest of one.
            fresh = self._view if len(self._view) == size else memoryview(bytearray(size))
            fresh[:held] = bytes(self._view[self._start : self._end])
            self._view, self._start, self._end = fresh, 0, held
        return self._view[self._end :]

    def filled(self, count: int) -> List[Tuple[int, int, memoryview]]:
        """The frames that are whole now: kind, call id, payload (valid until room is asked for)."""
        self._end += count
        frames: List[Tuple[int, int, memoryview]] = []
        while self._end - self._start >= self._wanted:
            kind, call, length = FRAME.unpack_from(self._view, self._start)
            if length > self.limit:
                raise FrameError(f"a frame of {length} bytes, over the limit of {self.limit}")
            self._wanted = FRAME.size + length
            if self._end - self._start < self._wanted:
                break
            start = self._start + FRAME.size
            self._start = start + length
            self._wanted = FRAME.size
            frames.append((kind, call, self._view[start : start + length]))
        return frames
