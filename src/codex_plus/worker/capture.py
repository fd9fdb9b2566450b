"""Takes what hooks log and print, and tells whose it is."""

from __future__ import annotations

import io
import logging
import sys
from contextvars import ContextVar
from typing import Callable, Tuple

#: The call that runs in this context: its id and its hook's name.
current: ContextVar[Tuple[int, str]] = ContextVar("codex_plus_call", default=(0, ""))

#: Takes call id, hook, level, logger and message. May be called from any thread.
Sink = Callable[[int, str, str, str, str], None]

# A hook that prints megabytes must not fill the proxy's log.
LONGEST_MESSAGE = 8192


def _cut(message: str) -> str:
    if len(message) <= LONGEST_MESSAGE:
        return message
    return f"{message[:LONGEST_MESSAGE]}... ({len(message)} characters)"


class _Records(logging.Handler):
    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        try:
            call, hook = current.get()
            self._sink(call, hook, record.levelname, record.name, _cut(self.format(record)))
        except Exception:  # logging must never fail the hook that logs
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        call, hook = current.get()
        self._sink(call, hook, "ERROR", record.name, f"cannot format a log record: {record.msg!r}")


class _Lines(io.TextIOBase):
    """``print`` by the line: a line is one record."""

    def __init__(self, sink: Sink, level: str, logger: str) -> None:
        self._sink = sink
        self._level = level
        self._logger = logger
        self._begun = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._tell(line)
        if len(self._begun) > LONGEST_MESSAGE:
            self.flush()
        return len(text)

    def flush(self) -> None:
        begun, self._begun = self._begun, ""
        self._tell(begun)

    def _tell(self, line: str) -> None:
        if line.strip():
            call, hook = current.get()
            self._sink(call, hook, self._level, self._logger, _cut(line))


def install(sink: Sink, level: str) -> None:
    """Send log records, ``print`` and what is written to ``sys.stderr`` to ``sink``."""
    root = logging.getLogger()
    root.handlers[:] = [_Records(sink)]
    root.setLevel(level)
    sys.stdout = _Lines(sink, "INFO", "stdout")
    sys.stderr = _Lines(sink, "WARNING", "stderr")
