"""Makes a hook object of a hook file's bytes."""

from __future__ import annotations

import asyncio
import dis
import inspect
import linecache
import os
import re
import sys
import tokenize
import traceback
from io import BytesIO
from types import CodeType, FunctionType, MethodType, ModuleType, TracebackType
from typing import Any, Dict, List, Mapping, Optional, Type

from ..base import Hook

__all__ = ["LoadError", "Loaded", "describe"]

_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep


class LoadError(Exception):
    """The file cannot be a hook; the message says why."""


class Loaded:
    """A hook file as the proxy sent it; its code runs at the first call, and only once."""

    def __init__(self, path: str, name: str, config: Mapping[str, Any], source: bytes) -> None:
        self.path = path
        self.name = name
        self._config = dict(config)
        self._source = source
        self._hook: Optional[Hook] = None
        self._failure: Optional[BaseException] = None
        self._may_wait: Dict[str, bool] = {}

    def hook(self) -> Hook:
        """The hook. Raises what the file's code raised, also when asked again."""
        if self._failure is not None:
            raise self._failure
        if self._hook is None:
            try:
                self._hook = self._make()
            except BaseException as error:
                self._failure = error
                raise
        return self._hook

    def may_wait(self, method: str) -> bool:
        """Whether a call may have to wait for something; surely not when no ``await`` is in it."""
        if self._hook is None:
            return True
        known = self._may_wait.get(method)
        if known is None:
            known = self._may_wait[method] = _may_wait(getattr(self._hook, method, None))
        return known

    def _make(self) -> Hook:
        text = blank_front_matter(_decoded(self._source))
        # Tracebacks then show the lines that ran, even when the file has changed since.
        linecache.cache[self.path] = (len(text), None, text.splitlines(True), self.path)
        code = compile(text, self.path, "exec", dont_inherit=True)
        stem = os.path.splitext(os.path.basename(self.path))[0]
        module = ModuleType("codex_plus_hook_" + re.sub(r"\W", "_", stem))
        module.__file__ = self.path
        # Hook files that use asyncio without importing it were always run; so are they here.
        module.__dict__["asyncio"] = asyncio
        sys.modules[module.__name__] = module
        exec(code, module.__dict__)
        return _hook_class(module)(self.name, self._config)


def _may_wait(method: Any) -> bool:
    if type(method) is not MethodType or type(method.__func__) is not FunctionType:
        return True
    code: CodeType = method.__func__.__code__
    if not code.co_flags & inspect.CO_COROUTINE:
        return True  # what it returns may be awaitable
    # Every `await`, `async for` and `async with` comes to one of these.
    waits = ("GET_AWAITABLE", "GET_ANEXT", "YIELD_FROM")
    # `asyncio.timeout()` and the like ask for the task they run in.
    return "asyncio" in code.co_names or any(
        step.opname in waits for step in dis.get_instructions(code)
    )


def _decoded(source: bytes) -> str:
    """The text in the encoding a PEP 263 comment or a byte order mark names, else UTF-8."""
    encoding, _ = tokenize.detect_encoding(BytesIO(source).readline)
    return source.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def blank_front_matter(text: str) -> str:
    """The text with its ``---`` block emptied, so that every line keeps its number."""
    lines = text.split("\n")
    first = next((at for at, line in enumerate(lines) if line.strip()), 0)
    if lines[first].rstrip() != "---":
        return text
    for last in range(first + 1, len(lines)):
        if lines[last].rstrip() == "---":
            return "\n" * (last + 1) + "\n".join(lines[last + 1 :])
    return text


def _hook_class(module: ModuleType) -> Type[Hook]:
    classes = filter(inspect.isclass, vars(module).values())
    own = [c for c in classes if issubclass(c, Hook) and c.__module__ == module.__name__]
    # A class that others here build on is not the hook itself.
    last = [kind for kind in dict.fromkeys(own) if not any(kind in o.__mro__[1:] for o in own)]
    if len(last) == 1:
        return last[0]
    if not last:
        raise LoadError("no class in this file inherits from codex_plus.hooks.Hook")
    names = ", ".join(kind.__name__ for kind in last)
    raise LoadError(f"one hook class per file, please; this one has {names}")


def describe(error: BaseException, path: str) -> Dict[str, Any]:
    """An exception for the proxy's log: message, traceback from the hook's code on, line there."""
    shown = _skip_ours(error.__traceback__)
    line = None
    for frame in traceback.extract_tb(shown):
        if frame.filename == path:
            line = frame.lineno
    if isinstance(error, SyntaxError) and error.filename == path:
        line = error.lineno
    text = traceback.format_exception(type(error), error, shown)
    message = "".join(traceback.format_exception_only(type(error), error)).strip()
    return {"message": _last_line(message), "traceback": "".join(text)[-16384:], "line": line}


def _skip_ours(trace: Optional[TracebackType]) -> Optional[TracebackType]:
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OURS):
        trace = trace.tb_next
    return trace


def _last_line(message: str) -> str:
    lines: List[str] = message.splitlines() or ["exception without a message"]
    return lines[-1]
