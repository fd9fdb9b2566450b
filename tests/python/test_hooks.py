import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from codex_plus.hooks import Headers, Hook, Request, Response
from codex_plus.worker.loading import Loaded, LoadError, blank_front_matter, describe


def test_a_plain_hook_changes_nothing():
    hook = Hook("h", {"priority": 1})
    assert (hook.name, hook.config) == ("h", {"priority": 1})
    assert asyncio.run(hook.pre_input(Request(), {"a": 1})) is None
    assert asyncio.run(hook.post_output(Response())) is None
    assert asyncio.run(hook.post_tool_use(Request(), "t", {}, "o")) is None


def test_headers_have_any_case_and_keep_their_order():
    headers = Headers([["A", "1"], ["b", "2"], ["a", "3"]])
    assert (headers["a"], headers.get_all("A"), "B" in headers) == ("1", ["1", "3"], True)
    headers["a"] = "4"
    del headers["B"]
    assert headers.pairs() == [["A", "4"]]
    with pytest.raises(KeyError):
        del headers["none"]


def test_request():
    request = Request("POST", "/responses?a=1&b=", {"X": "y"}, {"seen": 1}, {"cwd": "/p"})
    assert (request.url.path, request.url.params) == ("/responses", {"a": "1", "b": ""})
    assert (request.headers["x"], request.state.seen, request.meta["cwd"]) == ("y", 1, "/p")


def test_front_matter_keeps_line_numbers():
    assert blank_front_matter("---\na: 1\n---\nx = 1\n") == "\n\n\nx = 1\n"
    assert blank_front_matter("x = 1\n") == "x = 1\n"


def load(source):
    return Loaded("/hooks/one.py", "one", {"name": "one"}, source.encode()).hook()


def test_asyncio_is_there_and_the_line_of_an_error_is_the_files():
    assert load(
        "---\nname: one\n---\nfrom codex_plus.hooks import Hook\n"
        "class One(Hook):\n    loop = asyncio.sleep\n"
    ).name == "one"
    with pytest.raises(ZeroDivisionError) as caught:
        load("---\nname: one\n---\n\n1 / 0\n")
    told = describe(caught.value, "/hooks/one.py")
    assert told["line"] == 5
    assert "1 / 0" in told["traceback"]


def test_two_hooks_in_a_file_are_refused():
    with pytest.raises(LoadError, match="A, B"):
        load("from codex_plus.hooks import Hook\nclass A(Hook): pass\nclass B(Hook): pass\n")


def test_only_a_hook_that_asks_the_proxy_loads_what_that_takes():
    script = (
        "import sys\nfrom codex_plus.hooks import Hook\n"
        "assert 'codex_plus.system' not in sys.modules\n"
        "from codex_plus import hooks\n"
        "assert set(hooks.__all__) == {n for n in hooks.__all__ if hasattr(hooks, n)}\n"
        "assert not hasattr(hooks, 'other')\n"
        "from codex_plus.hooks import hook_system\n"
        "assert hook_system is sys.modules['codex_plus.system'].hook_system\n"
    )
    package = Path(__file__).resolve().parents[2] / "src"
    subprocess.run([sys.executable, "-c", script], cwd=package, check=True)
