"""The worker's loop: frames in, calls run side by side, frames out."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import json
import logging
import os
import socket
import sys
import threading
from typing import Any, Dict, Optional

from . import capture, frames
from .calls import Buffer, Told, begin
from .connection import Connection, Selector
from .diff import NotJson
from .loading import Loaded, LoadError, describe
from .monitor import Control, Started, watch

# Python 3.12 can run a call up to its first wait at once, which saves a turn of the loop.
_EAGER: Dict[str, Any] = {"eager_start": True} if sys.version_info >= (3, 12) else {}


class Unloadable(Exception):
    """The code of a hook file raised the exception that is this one's cause."""


class Worker:
    """What is done with the frames of the connection to the proxy."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: Connection,
        frame_limit: int,
        started: Started,
    ) -> None:
        #: Loaded hook files, and the numbers the proxy gave them.
        self.at_path: Dict[str, int] = {}
        self._loop = loop
        self._decoder = frames.Decoder(frame_limit)
        self._started = started
        self._hooks: Dict[int, Loaded] = {}
        self._tasks: Dict[int, "asyncio.Task[None]"] = {}
        self._write = connection.write
        self._connection = connection
        #: Where the proxy asks while a hook blocks the loop.
        self.control: Optional[Control] = None
        self._thread = threading.get_ident()

    def begin(self, tells_program: bool) -> None:
        """Say hello, and take calls from now on."""
        version = ".".join(map(str, sys.version_info[:3]))
        told = {"python": version, **(_program() if tells_program else {})}
        self.send(frames.encode(frames.HELLO, 0, json.dumps(told).encode()))
        self._connection.serve(self._decoder.room, self._filled)

    def send(self, frame: bytes) -> None:
        """Write a frame; from any thread."""
        if threading.get_ident() == self._thread:
            self._write(frame)
        else:
            self._loop.call_soon_threadsafe(self._write, frame)

    def log(self, call: int, hook: str, level: str, logger: str, message: str) -> None:
        """Send a log record."""
        record = {"hook": hook, "level": level, "logger": logger, "message": message}
        self.send(frames.encode(frames.LOG, call, json.dumps(record).encode()))

    def _filled(self, count: int) -> None:
        for kind, call, payload in self._decoder.filled(count):
            if kind == frames.CALL:
                self._call(call, payload)
            elif kind == frames.LOAD:
                self._load(payload)
            elif kind == frames.CANCEL:
                task = self._tasks.get(call)
                if task is not None:
                    task.cancel()
            elif kind == frames.PING:
                self.send(frames.encode(frames.PONG, call))
            else:
                raise frames.FrameError(f"an unknown kind of frame: {kind}")

    def _load(self, payload: memoryview) -> None:
        head, source = frames.split(payload)
        told = json.loads(bytes(head))
        path = told["path"]
        # A changed file takes the old one's place; calls that run keep what they hold.
        self._hooks.pop(self.at_path.get(path, -1), None)
        self.at_path[path] = told["hook"]
        self._hooks[told["hook"]] = Loaded(path, told["name"], told["config"], bytes(source))

    def _call(self, call: int, payload: memoryview) -> None:
        hook, method, shared, request, body = frames.called(payload)
        loaded = self._hooks.get(hook)
        if loaded is not None and not loaded.may_wait(method):
            # It ends at its first step, so it needs no task, which would cost a turn of the loop,
            # and no copy of the body.
            if shared:
                self._tell(call)
            if self._started.begin(call):
                run = contextvars.copy_context().run
                run(self._run_at_once, call, loaded, method, request, body)
            return
        work = self._run(call, hook, method, shared, request, bytes(body))
        task = asyncio.Task(work, loop=self._loop, **_EAGER)
        if not task.done():
            self._tasks[call] = task
            task.add_done_callback(lambda ended: self._ended(call, ended))

    def _ended(self, call: int, task: "asyncio.Task[None]") -> None:
        self._tasks.pop(call, None)
        # Told here, because a task cancelled before its first step never runs a line.
        if task.cancelled():
            self._cancelled(call)

    def _cancelled(self, call: int) -> None:
        self.send(_error(call, "cancelled", {"message": "cancelled"}))

    def _tell(self, call: int) -> None:
        """Of a call that may have been taken back, before it is begun."""
        if self.control is not None:
            # First told, then looked for: the proxy asks first, then looks for what was told.
            self.send(frames.encode(frames.PONG, call))
            self.control.answer()

    def _run_at_once(
        self, call: int, loaded: Loaded, method: str, told: bytes, body: Buffer
    ) -> None:
        capture.current.set((call, loaded.name))
        request = Told(told)
        try:
            returned, ending = begin(loaded, method, request, body)
            try:
                returned.send(None)
            except StopIteration as end:
                kind, rest = ending(end.value)
                answer = frames.encode_split(kind, call, request.changed_state(), rest)
            else:
                returned.close()
                raise asyncio.CancelledError
        except BaseException as error:  # sys.exit() too must not end the worker
            answer = _failed(call, error, loaded.path)
        self._write(answer)

    async def _run(
        self, call: int, hook: int, method: str, shared: bool, told: bytes, body: Buffer
    ) -> None:
        if shared:
            self._tell(call)
        if not self._started.begin(call):
            return
        path = ""
        try:
            loaded = self._hooks[hook]
            path = loaded.path
            capture.current.set((call, loaded.name))
            try:
                loaded.hook()
            except LoadError:
                raise
            except BaseException as error:
                raise Unloadable from error
            request = Told(told)
            value, ending = begin(loaded, method, request, body)
            # Methods may also be plain functions.
            value = await value if inspect.isawaitable(value) else value
            kind, rest = ending(value)
            answer = frames.encode_split(kind, call, request.changed_state(), rest)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            answer = _failed(call, error, path)
        self.send(answer)


def _failed(call: int, error: BaseException, path: str) -> bytes:
    if isinstance(error, NotJson):
        return _error(call, "result", {"message": str(error)})
    if isinstance(error, asyncio.CancelledError):
        return _error(call, "cancelled", {"message": "cancelled"})
    if isinstance(error, Unloadable):
        return _error(call, "load", describe(error.__cause__ or error, path))
    if isinstance(error, LoadError):
        return _error(call, "load", {"message": str(error)})
    return _error(call, "exception", describe(error, path))


def _error(call: int, kind: str, told: Dict[str, Any]) -> bytes:
    return frames.encode(frames.ERROR, call, json.dumps({"kind": kind, **told}).encode())


def serve(
    connection: socket.socket, control: socket.socket, lifeline: int, settings: Dict[str, Any]
) -> None:
    """Serve the proxy until it closes the connection; never returns."""
    _limit_memory(settings.get("memory_limit"))
    started = Started()
    selector = Selector()
    loop = asyncio.SelectorEventLoop(selector)
    asyncio.set_event_loop(loop)
    ours = Connection(loop, selector, connection)
    worker = Worker(loop, ours, settings["frame_limit"], started)
    worker.control = watch(control, lifeline, started, worker.at_path)
    capture.install(worker.log, settings.get("log_level", "INFO"))
    logging.captureWarnings(True)
    loop.set_exception_handler(_lost_exception)
    # What is here now stays: the collector need not go through it again with every large body.
    gc.freeze()
    gc.enable()
    worker.begin(settings.get("tell_program", False))
    try:
        loop.run_forever()
    except frames.FrameError:
        os._exit(71)
    finally:
        # A task of a hook's own raised SystemExit: end, and be replaced.
        os._exit(70)


def _program() -> Dict[str, Any]:
    """This interpreter and its environment, for one that is started beside it."""
    asked = getattr(sys, "orig_argv", [])  # since 3.10
    if len(asked) != 3 or not sys.executable:
        return {}  # options that a wrapper gave would be lost
    program = {"executable": sys.executable, "environment": dict(os.environ)}
    try:
        json.dumps(program, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return {}  # not text everywhere
    return program


def _lost_exception(loop: asyncio.AbstractEventLoop, context: Dict[str, Any]) -> None:
    error = context.get("exception")
    logging.getLogger("asyncio").error("%s: %r", context.get("message"), error)


def _limit_memory(limit: Optional[int]) -> None:
    """A hook that takes too much gets a MemoryError, which names it. Linux only."""
    if not limit or not sys.platform.startswith("linux"):
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
