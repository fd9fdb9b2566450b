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
from .calls import Begun, Buffer, begin
from .diff import NotJson
from .loading import Loaded, LoadError, describe
from .monitor import Control, Started, watch

# Python 3.12 can run a call up to its first wait at once, which saves a turn of the loop.
_EAGER: Dict[str, Any] = {"eager_start": True} if sys.version_info >= (3, 12) else {}


class Unloadable(Exception):
    """The code of a hook file raised the exception that is this one's cause."""


class Worker(asyncio.BufferedProtocol):
    """One connection to the proxy."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        frame_limit: int,
        started: Started,
        tells_program: bool = False,
    ) -> None:
        #: Loaded hook files, and the numbers the proxy gave them.
        self.at_path: Dict[str, int] = {}
        self._loop = loop
        self._decoder = frames.Decoder(frame_limit)
        self._started = started
        self._hooks: Dict[int, Loaded] = {}
        self._tasks: Dict[int, "asyncio.Task[None]"] = {}
        self._transport: Optional[asyncio.Transport] = None
        #: Where the proxy asks while a hook blocks the loop.
        self.control: Optional[Control] = None
        self._thread = threading.get_ident()
        self._program = _program() if tells_program else {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        version = ".".join(map(str, sys.version_info[:3]))
        told = {"python": version, **self._program}
        self.send(frames.encode(frames.HELLO, 0, json.dumps(told).encode()))

    def connection_lost(self, exc: Optional[Exception]) -> None:
        # At once: hooks may have left threads that would keep the process.
        os._exit(0)

    def send(self, frame: bytes) -> None:
        """Write a frame; from any thread."""
        if self._transport is None:
            return
        if threading.get_ident() == self._thread:
            self._transport.write(frame)
        else:
            self._loop.call_soon_threadsafe(self._transport.write, frame)

    def log(self, call: int, hook: str, level: str, logger: str, message: str) -> None:
        """Send a log record."""
        record = {"hook": hook, "level": level, "logger": logger, "message": message}
        self.send(frames.encode(frames.LOG, call, json.dumps(record).encode()))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._decoder.room()

    def buffer_updated(self, nbytes: int) -> None:
        for kind, call, payload in self._decoder.filled(nbytes):
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
            work = contextvars.copy_context().run
            work(self._run_at_once, call, loaded, method, shared, request, body)
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

    def _may_begin(self, call: int, shared: bool) -> bool:
        if shared and self.control is not None:
            # First told, then looked for: the proxy asks first, then looks for what was told.
            self.send(frames.encode(frames.PONG, call))
            self.control.answer()
        return self._started.begin(call)

    def _run_at_once(
        self, call: int, loaded: Loaded, method: str, shared: bool, request: bytes, body: Buffer
    ) -> None:
        if not self._may_begin(call, shared):
            return
        capture.current.set((call, loaded.name))
        try:
            answer = _answer_at_once(call, begin(loaded, method, request, body))
        except BaseException as error:  # sys.exit() too must not end the worker
            answer = _failed(call, error, loaded.path)
        self.send(answer)

    async def _run(
        self, call: int, hook: int, method: str, shared: bool, request: bytes, body: Buffer
    ) -> None:
        if not self._may_begin(call, shared):
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
            begun = begin(loaded, method, request, body)
            value = begun.returned
            # Methods may also be plain functions.
            value = await value if inspect.isawaitable(value) else value
            answer = _answer(call, begun, value)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            answer = _failed(call, error, path)
        self.send(answer)


def _answer(call: int, begun: Begun, value: Any) -> bytes:
    kind, state, rest = begun.ended(value)
    return frames.encode_split(kind, call, state, rest)


def _answer_at_once(call: int, begun: Begun) -> bytes:
    try:
        begun.returned.send(None)
    except StopIteration as end:
        return _answer(call, begun, end.value)
    begun.returned.close()
    raise asyncio.CancelledError


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
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = Worker(loop, settings["frame_limit"], started, settings.get("tell_program", False))
    worker.control = watch(control, lifeline, started, worker.at_path)
    capture.install(worker.log, settings.get("log_level", "INFO"))
    logging.captureWarnings(True)
    loop.set_exception_handler(_lost_exception)
    # What is here now stays: the collector need not go through it again with every large body.
    gc.freeze()
    gc.enable()
    loop.run_until_complete(loop.create_unix_connection(lambda: worker, sock=connection))
    try:
        loop.run_forever()
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
    if isinstance(error, frames.FrameError):
        os._exit(71)
    logging.getLogger("asyncio").error("%s: %r", context.get("message"), error)


def _limit_memory(limit: Optional[int]) -> None:
    """A hook that takes too much gets a MemoryError, which names it. Linux only."""
    if not limit or not sys.platform.startswith("linux"):
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
