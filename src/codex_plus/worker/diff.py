"""The smallest edits that turn one JSON document into another.

An edit is ``{"op": ..., "path": [...], "value": ...}``; a path is made of object keys and list
indexes. Edits are applied in order; each path means the document as the edits before it left it.
``set`` replaces a value or adds a key; ``insert`` puts a value before the list index its path ends
with; ``append`` puts one at the end of the list its path names; ``remove`` takes a key or an index
out. Edits of one list come back to front, so an index means the same before and after them.
"""

from __future__ import annotations

import marshal
from typing import Any, Dict, List, Optional, Union

Path = List[Union[str, int]]
Edit = Dict[str, Any]

_dumps = marshal.dumps

# Aligning two lists costs their product in the worst case; longer ones are compared in pairs.
LONGEST_ALIGNED = 400


class NotJson(TypeError):
    """The hook's result has no place in a JSON document."""


def edits(before: Any, after: Any) -> List[Edit]:
    """The edits from ``before`` to ``after``; none when they mean the same JSON."""
    found: List[Edit] = []
    _compare(before, after, [], found)
    return found


def same(before: Any, after: Any) -> bool:
    """Whether two values are the same JSON. ``1``, ``1.0`` and ``True`` are three values."""
    if isinstance(before, (dict, list)) and _alike(before, after):
        return True
    return _same(before, after)


def _same(before: Any, after: Any) -> bool:
    if before is after:
        return True
    if isinstance(before, dict):
        return (
            isinstance(after, dict)
            and len(before) == len(after)
            and all(key in after and _same(value, after[key]) for key, value in before.items())
        )
    if isinstance(before, list):
        return (
            isinstance(after, (list, tuple))
            and len(before) == len(after)
            and all(map(_same, before, after))
        )
    if isinstance(before, bool) or isinstance(after, bool) or before is None or after is None:
        return False
    if isinstance(before, float) and isinstance(after, float):
        # Tells -0.0 from 0.0, and lets a NaN be itself.
        return repr(before) == repr(after)
    for kind in (str, int):
        if isinstance(before, kind):
            return isinstance(after, kind) and bool(before == after)
    return False


def _alike(before: Any, after: Any) -> bool:
    """Whether two trees are the same down to the order of keys; told far faster than by a walk."""
    try:
        return marshal.dumps(before, 0) == marshal.dumps(after, 0)
    except ValueError:
        return False


def _compare(before: Any, after: Any, path: Path, found: List[Edit]) -> None:
    if isinstance(before, dict) and isinstance(after, dict):
        _compare_objects(before, after, path, found)
    elif isinstance(before, list) and isinstance(after, (list, tuple)):
        _compare_lists(before, list(after), path, found)
    elif not _same(before, after):
        found.append({"op": "set", "path": path, "value": after})


def _compare_objects(before: Any, after: Any, path: Path, found: List[Edit]) -> None:
    both = 0
    for key, value in before.items():
        if key not in after:
            found.append({"op": "remove", "path": [*path, key]})
            continue
        both += 1
        now = after[key]
        # Text is told first: it is what most objects are made of, and what most hooks edit.
        if type(value) is str and type(now) is str:
            if value != now:
                found.append({"op": "set", "path": [*path, key], "value": now})
        else:
            _compare(value, now, [*path, key], found)
    if both == len(after):
        return
    for key, value in after.items():
        if not isinstance(key, str):
            raise NotJson(f"{key!r} is no JSON object key at {_shown(path)}: keys are strings")
        if key not in before:
            found.append({"op": "set", "path": [*path, key], "value": value})


def _compare_lists(before: List[Any], after: List[Any], path: Path, found: List[Edit]) -> None:
    start, shorter = 0, min(len(before), len(after))
    if len(before) == len(after) == 1:
        _compare(before[0], after[0], [*path, 0], found)
        return
    while start < shorter and same(before[start], after[start]):
        start += 1
    end = 0
    # One that is left of both is known to differ.
    last = 1 if len(before) == len(after) == start + 1 else 0
    while end < shorter - start - last and same(before[-1 - end], after[-1 - end]):
        end += 1
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    _compare_middles(old, new, start, len(before), path, found)


def _compare_middles(
    old: List[Any], new: List[Any], start: int, length: int, path: Path, found: List[Edit]
) -> None:
    """What two lists have between the same beginning and the same end; the old one's length."""
    if not old and not new:
        return
    if not old or not new or len(old) == len(new) == 1:
        # The usual ways to edit a list leave no more than this.
        blocks = [(0, len(old), 0, len(new))]
    else:
        blocks = _differing(old, new)
    for old_from, old_to, new_from, new_to in reversed(blocks):
        paired = min(old_to - old_from, new_to - new_from)
        at = start + old_from + paired
        more = new[new_from + paired : new_to]
        if at == length:
            found.extend({"op": "append", "path": path, "value": value} for value in more)
        else:
            place = [*path, at]
            found.extend({"op": "insert", "path": place, "value": v} for v in reversed(more))
        for index in reversed(range(at, start + old_to)):
            found.append({"op": "remove", "path": [*path, index]})
        for offset in reversed(range(paired)):
            where = [*path, start + old_from + offset]
            _compare(old[old_from + offset], new[new_from + offset], where, found)


class Snapshot:
    """A value as it was, to be compared with what a hook made of it.

    ``marshal`` writes and compares a tree far faster than Python code walks it. The fields of an
    object and the items of their lists are kept one by one, so that only what changed is read from
    its bytes again and walked.
    """

    def __init__(self, value: Any) -> None:
        self.value = value
        if type(value) is not dict:
            self._whole, self._fields = _Part(value), None
            return
        self._fields = kept = dict(value)
        for key, field in value.items():
            if type(field) is list:
                kept[key] = _Parts(field)
            elif type(field) is dict:
                kept[key] = _Part(field)

    def edits(self, after: Any) -> List[Edit]:
        """The edits that lead to ``after``."""
        found: List[Edit] = []
        if self._fields is None or not isinstance(after, dict):
            return edits(self._before(), after)
        for key in after:
            if not isinstance(key, str):
                raise NotJson(f"{key!r} is no JSON object key at {_shown([])}: keys are strings")
        for key, kept in self._fields.items():
            if key not in after:
                found.append({"op": "remove", "path": [key]})
                continue
            kind, now = type(kept), after[key]
            if kind is _Parts or kind is _Part:
                kept.compare(now, [key], found)
            elif kept is not now and not _same(kept, now):
                found.append({"op": "set", "path": [key], "value": now})
        for key, value in after.items():
            if key not in self._fields:
                found.append({"op": "set", "path": [key], "value": value})
        return found

    def _before(self) -> Any:
        if self._fields is None:
            return self._whole.value()
        kept = self._fields.items()
        return {k: v.value() if type(v) in (_Part, _Parts) else v for k, v in kept}


class _Part:
    """A tree as it was."""

    def __init__(self, value: Any) -> None:
        self._bytes = marshal.dumps(value, 0)

    def value(self) -> Any:
        return marshal.loads(self._bytes)

    def compare(self, after: Any, path: Path, found: List[Edit]) -> None:
        if _marshalled(after) != self._bytes:
            _compare(self.value(), after, path, found)


class _Parts:
    """A list as it was."""

    def __init__(self, value: List[Any]) -> None:
        self._items = [_dumps(item, 0) for item in value]

    def value(self) -> Any:
        return list(map(marshal.loads, self._items))

    def compare(self, after: Any, path: Path, found: List[Edit]) -> None:
        if not isinstance(after, (list, tuple)):
            _compare(self.value(), after, path, found)
            return
        before = self._items
        try:
            now: List[Optional[bytes]] = [_dumps(item, 0) for item in after]
        except ValueError:
            now = list(map(_marshalled, after))
        if before == now:
            return
        length = len(before)
        shorter, start, end = min(length, len(now)), 0, 0
        while start < shorter and before[start] == now[start]:
            start += 1
        while end < shorter - start and before[-1 - end] == now[-1 - end]:
            end += 1
        if start + end + 1 == length == len(now):
            _compare(marshal.loads(before[start]), after[start], [*path, start], found)
            return
        # Bytes may differ where the same is meant, so both ends may go further than this.
        old = list(map(marshal.loads, before[start : length - end]))
        new = list(after[start : len(now) - end])
        ahead, shorter = 0, min(len(old), len(new))
        if not len(old) == len(new) == 1:
            while ahead < shorter and _same(old[ahead], new[ahead]):
                ahead += 1
            back = 0
            while back < shorter - ahead and _same(old[-1 - back], new[-1 - back]):
                back += 1
            old, new = old[ahead : len(old) - back], new[ahead : len(new) - back]
        _compare_middles(old, new, start + ahead, length, path, found)


def _marshalled(value: Any) -> Optional[bytes]:
    try:
        return marshal.dumps(value, 0)
    except ValueError:
        return None  # holds something that is not plain data: the walk says where


def _differing(old: List[Any], new: List[Any]) -> List[Any]:
    """The ranges of two lists that have no equal partner, in order."""
    whole = [(0, len(old), 0, len(new))]
    if len(old) + len(new) > LONGEST_ALIGNED:
        return whole
    try:
        keys = [[marshal.dumps(item, 0) for item in side] for side in (old, new)]
    except ValueError:
        return whole
    from difflib import SequenceMatcher  # rarely needed, and a start must be short

    codes = SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_opcodes()
    return [code[1:] for code in codes if code[0] != "equal"]


def _shown(path: Path) -> str:
    return "/" + "/".join(map(str, path))
