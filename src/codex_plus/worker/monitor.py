"""A thread that answers while a hook blocks the loop, and ends the process with the proxy."""

from __future__ import annotations

import fcntl
import json
import os
import select
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
            if call > self._last:
                self._last = call
            if self._revoked and call in self._revoked:
                self._revoked.discard(call)
                return False
            return True

    def revoke(self, calls: Iterable[int]) -> List[int]:
        """Those of the calls that had not begun: they never will."""
        with self._lock:
            waiting = [call for call in calls if call > self._last]
            self._revoked.update(waiting)
            return waiting


class Control:
    """Answers the proxy's questions: in a thread, while a hook blocks the loop.

    C code that keeps the interpreter to itself keeps that thread waiting too. Then the proxy takes
    calls back without an answer: those it was not told had begun. So the loop has to tell it, and
    to look for questions, before it begins a call that might have been taken back.
    """

    def __init__(self, control: socket.socket, started: Started, files: Container[str]) -> None:
        control.setblocking(False)
        self._control = control
        self._started = started
        self._files = files
        self._loop_thread = threading.get_ident()
        self._lock = threading.Lock()
        self._read = b""

    def answer(self) -> bool:
        """Answer what was asked; false when the proxy went away."""
        # A question is read and acted on in one, so nobody finds it gone but not yet heeded.
        with self._lock:
            while True:
                try:
                    data = self._control.recv(65536)
                except BlockingIOError:
                    return True
                if not data:
                    return False
                *lines, self._read = (self._read + data).split(b"\n")
                for line in lines:
                    self._control.sendall(json.dumps(self._told(json.loads(line))).encode() + b"\n")

    def _told(self, asked: Dict[str, Any]) -> Dict[str, Any]:
        revoked = self._started.revoke(asked["revoke"])
        where = _where(self._loop_thread, self._files)
        return {"question": asked["question"], "revoked": revoked, **where}

    def serve(self) -> None:
        """Answer for as long as the proxy is there."""
        try:
            poll = select.poll()
            poll.register(self._control, select.POLLIN)
            # Only told of questions here: what is read must be acted on before the loop goes on.
            while poll.poll() and self.answer():
                pass
        except (OSError, ValueError):
            pass
        os._exit(0)


def watch(
    control: socket.socket, lifeline: int, started: Started, files: Container[str]
) -> Control:
    """Begin to watch, from the main thread. ``files`` are the hook files that are loaded."""
    _die_with(lifeline)
    watching = Control(control, started, files)
    threading.Thread(target=watching.serve, name="codex-plus-monitor", daemon=True).start()
    return watching


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
