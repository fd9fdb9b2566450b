"""A thread that answers while a hook blocks the loop, and ends the process with the proxy."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import sys
import threading
import traceback
from types import FrameType
from typing import Any, Container, Dict, Iterable, List, Optional, Set


class Started:
    """Which calls have begun. A call is begun once, or given back to the proxy, never both."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Calls begin in the order they came, so one number tells the begun from the waiting.
        self._last = 0
        self._revoked: Set[int] = set()

    def begin(self, call: int) -> bool:
        """Claim a call; false when the proxy took it back."""
        with self._lock:
            self._last = max(self._last, call)
            if call in self._revoked:
                self._revoked.discard(call)
                return False
            return True

    def revoke(self, calls: Iterable[int]) -> List[int]:
        """Those of the calls that had not begun: they never will."""
        with self._lock:
            waiting = [call for call in calls if call > self._last]
            self._revoked.update(waiting)
            return waiting


def watch(
    control: socket.socket, lifeline: int, started: Started, files: Container[str]
) -> None:
    """Begin to watch, from the main thread. ``files`` are the hook files that are loaded."""
    _die_with(lifeline)
    loop_thread = threading.get_ident()
    arguments = (control, started, loop_thread, files)
    threading.Thread(target=_answer, args=arguments, name="codex-plus-monitor", daemon=True).start()


def _die_with(lifeline: int) -> None:
    """Have the kernel end this process group when the proxy's end of the pipe closes.

    Works even while C code holds the interpreter: SIGIO ends a process that does not handle it.
    """
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
    flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC | os.O_NONBLOCK)
    try:
        if os.read(lifeline, 1) == b"":
            os._exit(0)  # it closed before the signal was asked for
    except BlockingIOError:
        pass


def _answer(
    control: socket.socket, started: Started, loop_thread: int, files: Container[str]
) -> None:
    try:
        with control.makefile("rwb", buffering=65536) as lines:
            for line in lines:
                asked: Dict[str, Any] = json.loads(line)
                answer = {"revoked": started.revoke(asked["revoke"]), **_where(loop_thread, files)}
                lines.write(json.dumps(answer).encode() + b"\n")
                lines.flush()
    except (OSError, ValueError):
        pass
    os._exit(0)


def _where(thread: int, files: Container[str]) -> Dict[str, Any]:
    """The line the loop's thread is at, in one line of text, and whose code it is in."""
    frame: Optional[FrameType] = sys._current_frames().get(thread)
    if frame is None:
        return {"at": "", "hooks": []}
    last = traceback.extract_stack(frame)[-1]
    hooks: List[str] = []
    while frame is not None:
        name = frame.f_code.co_filename
        if name in files and name not in hooks:
            hooks.append(name)
        frame = frame.f_back
    return {"at": f"{last.filename}:{last.lineno} in {last.name}", "hooks": hooks}
