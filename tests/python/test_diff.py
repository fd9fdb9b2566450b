import copy
import json
import random

import pytest

from codex_plus.worker.diff import NotJson, Snapshot, edits, same


def apply(document, found):
    for edit in found:
        *before, last = edit["path"] or [None]
        at = document
        if edit["op"] == "append":
            for part in edit["path"]:
                at = at[part]
            at.append(edit["value"])
            continue
        if last is None:
            document = edit["value"]
            continue
        for part in before:
            at = at[part]
        if edit["op"] == "set":
            at[last] = edit["value"]
        elif edit["op"] == "insert":
            at.insert(last, edit["value"])
        else:
            del at[last]
    return document


def value(rng, depth):
    kind = rng.randrange(8 if depth else 5)
    if kind == 5:
        return {rng.choice("abcé"): value(rng, depth - 1) for _ in range(rng.randrange(4))}
    if kind > 5:
        return [value(rng, depth - 1) for _ in range(rng.randrange(6))]
    return [None, True, rng.randrange(3), float(rng.randrange(3)), rng.choice(["", "x", "é"])][kind]


@pytest.mark.parametrize("seed", range(2000))
def test_edits_lead_from_one_document_to_the_other(seed):
    rng = random.Random(seed)
    before, after = value(rng, 4), value(rng, 4)
    if rng.random() < 0.5 and isinstance(before, list):
        after = copy.deepcopy(before)
        for _ in range(rng.randrange(4)):
            after.insert(rng.randrange(len(after) + 1), value(rng, 2))
            if rng.random() < 0.5:
                after.pop(rng.randrange(len(after)))
    reached = apply(copy.deepcopy(before), json.loads(json.dumps(edits(before, after))))
    assert same(reached, after)
    for outer in (lambda inner: inner, lambda inner: {"n": 1, "input": inner, "o": {"p": inner}}):
        old, new = outer(before), outer(after)
        # The snapshot is of what it was, whatever becomes of it.
        snapshot = Snapshot(json.loads(json.dumps(old)))
        if isinstance(snapshot.value, (dict, list)):
            snapshot.value.clear()
        found = snapshot.edits(new)
        reached = apply(json.loads(json.dumps(old)), json.loads(json.dumps(found)))
        assert same(reached, new)
        assert bool(found) == bool(edits(old, new))


def test_key_order_is_no_edit():
    assert edits({"a": 1, "b": 2}, {"b": 2, "a": 1}) == []
    for value in ({"a": 1, "b": 2}, [{"a": 1, "b": 2}], [1, {"a": [], "b": 2}, 3]):
        snapshot = Snapshot({"input": value})
        turned = json.loads(json.dumps(value), object_hook=lambda it: dict(reversed(it.items())))
        assert snapshot.edits({"input": turned}) == []


@pytest.mark.parametrize("pair", [(1, 1.0), (1, True), (0, False), (0.0, -0.0), ("1", 1)])
def test_kinds_are_told_apart(pair):
    assert edits({"x": pair[0]}, {"x": pair[1]})
    assert Snapshot({"x": pair[0]}).edits({"x": pair[1]})
    assert Snapshot({"x": [pair[0]]}).edits({"x": [pair[1]]})


def test_nan_is_itself():
    assert edits([float("nan")], [float("nan")]) == []


def test_one_item_put_first_is_one_insert():
    before = [{"n": n} for n in range(50)]
    assert edits(before, [{"n": -1}, *before]) == [
        {"op": "insert", "path": [0], "value": {"n": -1}}
    ]


def test_keys_that_are_no_strings_are_refused():
    with pytest.raises(NotJson, match="keys are strings"):
        edits({}, {1: 2})
