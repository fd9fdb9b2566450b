import ast
import json
import random
from pathlib import Path

import pytest

from codex_plus.worker import calls
from codex_plus.worker.diff import NotJson

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "codex_plus"


def test_orjson_writes_what_it_can(monkeypatch):
    assert calls.orjson is not None, "it is installed with pytest, to be tested"
    asked = []

    class Watched:
        OPT_PASSTHROUGH_DATACLASS = calls.orjson.OPT_PASSTHROUGH_DATACLASS
        dumps = staticmethod(lambda *given, **named: asked.append(1) or real(*given, **named))

    real = calls.orjson.dumps
    monkeypatch.setattr(calls, "orjson", Watched)
    assert calls.dumps({"a": ["é", 1, 1.5, True]}) == '{"a":["é",1,1.5,true]}'.encode()
    assert asked == [1]


@pytest.mark.parametrize("has_orjson", [True, False])
def test_both_writers_say_the_same(monkeypatch, has_orjson):
    if not has_orjson:
        monkeypatch.setattr(calls, "orjson", None)
    rng = random.Random(3)
    odd = [2**70, -(2**64), "\ud800", "\0", "é", 1e300, -0.0, None, True, [], {}, "null"]
    for _ in range(200):
        value = {"x": [rng.choice(odd) for _ in range(4)], "y": rng.choice(odd)}
        back = json.loads(calls.dumps(value))
        assert repr(back) == repr(value)
    for bad in (float("nan"), [float("inf")], {1, 2}, object(), b"bytes"):
        with pytest.raises(NotJson):
            calls.dumps(bad)


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: file.name)
def test_the_package_is_written_for_python_3_9(file):
    ast.parse(file.read_text("utf-8"), feature_version=(3, 9))
