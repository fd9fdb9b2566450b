"""Runs hook methods: the payload in, the smallest answer out."""

from __future__ import annotations

import inspect
import json
from typing import Any, Callable, Dict, Optional, Tuple, Union

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

Answer = Tuple[int, bytes, bytes]
Buffer = Union[bytes, memoryview]


def dumps(value: Any) -> bytes:
    """JSON in ASCII or UTF-8. Raises :class:`.diff.NotJson`."""
    if orjson is not None:
        try:
            fast = bytes(orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_DATACLASS))
            # It writes NaN and the infinities as null, which would pass for the hook's own null.
            if b"null" not in fast:
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
    return json.loads(str(payload, "utf-8"))


async def run(loaded: Loaded, method: str, given: Dict[str, Any], payload: Buffer) -> Answer:
    """Call ``method`` of the hook; what it raises passes through."""
    hook = loaded.hook()
    request = Request(
        given.get("method", "POST"),
        given.get("path", "/"),
        given.get("headers"),
        given.get("state"),
        given.get("meta"),
    )
    state = dumps(vars(request.state)) if vars(request.state) else b""
    found: Any
    if method == "pre_input":
        body = Snapshot(loads(payload))
        answer = await _awaited(hook.pre_input(request, body.value))
        found = body.edits(body.value if answer is None else answer)
    elif method == "post_output":
        whole = Snapshot(loads(payload))
        given_answer = whole.value
        response = Response(
            given_answer["status_code"], given_answer["headers"], given_answer["body"], request
        )
        returned = await _awaited(hook.post_output(response))
        if returned is not None:
            response = returned
        given_answer["status_code"] = response.status_code
        given_answer["headers"] = _pairs(response.headers)
        given_answer["body"] = response.body
        found = whole.edits(given_answer)
    elif method == "pre_tool_use":
        tool = loads(payload)
        args = Snapshot(tool["tool_args"])
        answer = await _awaited(hook.pre_tool_use(request, tool["tool_name"], args.value))
        found = args.edits(args.value if answer is None else answer)
    elif method == "post_tool_use":
        tool = loads(payload)
        output = Snapshot(tool["tool_output"])
        answer = await _awaited(
            hook.post_tool_use(request, tool["tool_name"], tool["tool_args"], output.value)
        )
        found = output.edits(output.value if answer is None else answer)
    elif method == "stop":
        returned = await _awaited(hook.stop(request, loads(payload)))
        found = None if returned is None else returned
    else:
        raise ValueError(f"no such method: {method}")
    after = dumps(vars(request.state)) if vars(request.state) or state else b""
    changed = after if after != state else b""
    if method == "stop" and found is not None:
        return VALUE, changed, dumps(found)
    return (PATCH, changed, dumps(found)) if found else (UNCHANGED, changed, b"")


def _pairs(headers: Any) -> Any:
    pairs: Optional[Callable[[], Any]] = getattr(headers, "pairs", None)
    if pairs is not None:
        return pairs()
    return [[str(name), str(value)] for name, value in dict(headers).items()]


async def _awaited(result: Any) -> Any:
    """Methods may also be plain functions."""
    return await result if inspect.isawaitable(result) else result
