"""Runs hook methods: the payload in, the smallest answer out."""

from __future__ import annotations

import json
from typing import Any, Callable, Optional, Tuple, Union

from ..base import Hook
from ..exchange import Request, Response
from .diff import NotJson, Snapshot
from .frames import PATCH, UNCHANGED, VALUE
from .loading import Loaded

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment]

# `json.dumps` would make one for every call.
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)

_scan = json.JSONDecoder().scan_once

#: What a call comes to: the kind of frame, and what it says, of what the method returned.
Ending = Callable[[Any], Tuple[int, bytes]]
Buffer = Union[bytes, memoryview]


def dumps(value: Any) -> bytes:
    """JSON in ASCII or UTF-8. Raises :class:`.diff.NotJson`."""
    if orjson is not None:
        try:
            fast = bytes(orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_DATACLASS))
            # It writes NaN and the infinities as null, which would pass for the hook's own null.
            # (`in` first takes what it looks for as a number, and makes an error of that.)
            if fast.find(b"null") < 0:
                return fast
        except TypeError:
            pass  # big integers, lone surrogates and the like: slower, but they work
    try:
        return _ENCODER.encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise NotJson(f"the hook's result is no JSON: {error}") from None


def loads(payload: Buffer) -> Any:
    """What a payload says.

    json keeps every integer exact; orjson turns those over 64 bits into floats, which would then
    look like an edit. So bodies are read with json, at about the same speed for their long strings.
    """
    text, value = str(payload, "utf-8"), None
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        end = -1
    # Space around it is rare: what `json.loads` does to find it costs more than a short text.
    return value if end == len(text) else json.loads(text)


class Told(Request):
    """The request of a call. What it says is read when a hook asks: most look at the body alone."""

    def __init__(self, told: bytes) -> None:
        self._told: Optional[bytes] = told
        #: The state as it came, written; once it was read.
        self._state = b""

    def __getattr__(self, name: str) -> Any:
        # Only called for what is not there: all that a request has, until it is read.
        fields = self.__dict__
        told = fields.get("_told")
        if told is None:
            raise AttributeError(f"a request has no {name!r}")
        fields["_told"] = None
        given, changed = loads(told), dict(fields)
        super().__init__(
            given.get("method", "POST"),
            given.get("path", "/"),
            given.get("headers"),
            given.get("state"),
            given.get("meta"),
        )
        fields["_state"] = _written(self.state)
        # What the hook set before it read anything stays set.
        fields.update((key, value) for key, value in changed.items() if key[0] != "_")
        return getattr(self, name)

    def changed_state(self) -> bytes:
        """The state, if the hook changed it."""
        if self._told is not None and "state" not in self.__dict__:
            return b""
        after = _written(self.state) or (b"{}" if self._state else b"")
        return after if after != self._state else b""


def _written(state: Any) -> bytes:
    return dumps(vars(state)) if vars(state) else b""


def _edited(found: Any) -> Tuple[int, bytes]:
    return (PATCH, dumps(found)) if found else (UNCHANGED, b"")


def begin(loaded: Loaded, method: str, request: Told, payload: Buffer) -> Tuple[Any, Ending]:
    """Call a method of the hook; what it raises passes through.

    Gives what it returned, which may have to be awaited, and what to make of the value then.
    """
    hook, given = loaded.hook(), loads(payload)
    if method == "pre_input":
        body = Snapshot(given)

        def answer(value: Any) -> Tuple[int, bytes]:
            return _edited(body.edits(body.value if value is None else value))

        return hook.pre_input(request, given), answer
    if method == "post_output":
        return _post_output(hook, request, given)
    if method == "pre_tool_use":
        args = Snapshot(given["tool_args"])

        def answer(value: Any) -> Tuple[int, bytes]:
            return _edited(args.edits(args.value if value is None else value))

        return hook.pre_tool_use(request, given["tool_name"], args.value), answer
    if method == "post_tool_use":
        output = Snapshot(given["tool_output"])

        def answer(value: Any) -> Tuple[int, bytes]:
            return _edited(output.edits(output.value if value is None else value))

        name, used = given["tool_name"], given["tool_args"]
        return hook.post_tool_use(request, name, used, output.value), answer
    if method == "stop":
        return hook.stop(request, given), _returned
    raise ValueError(f"no such method: {method}")


def _returned(value: Any) -> Tuple[int, bytes]:
    return (UNCHANGED, b"") if value is None else (VALUE, dumps(value))


def _post_output(hook: Hook, request: Told, given: Any) -> Tuple[Any, Ending]:
    whole = Snapshot(given)
    response = Response(given["status_code"], given["headers"], given["body"], request)

    def answer(returned: Any) -> Tuple[int, bytes]:
        after = response if returned is None else returned
        given["status_code"] = after.status_code
        given["headers"] = _pairs(after.headers)
        given["body"] = after.body
        return _edited(whole.edits(given))

    return hook.post_output(response), answer


def _pairs(headers: Any) -> Any:
    pairs: Optional[Callable[[], Any]] = getattr(headers, "pairs", None)
    if pairs is not None:
        return pairs()
    return [[str(name), str(value)] for name, value in dict(headers).items()]
