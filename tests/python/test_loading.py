import pytest

from codex_plus.worker.loading import Loaded

HEAD = "import asyncio, functools\nfrom codex_plus.hooks import Hook\nclass Probe(Hook):\n"

METHODS = [
    ("async def pre_input(self, request, body):\n        return body", False),
    ("async def pre_input(self, request, body):\n        await body", True),
    ("async def pre_input(self, request, body):\n        async with body: pass", True),
    ("async def pre_input(self, request, body):\n        async for x in body: pass", True),
    ("async def pre_input(self, request, body):\n        return [x async for x in body]", True),
    ("async def pre_input(self, request, body):\n        asyncio.current_task()", True),
    ("def pre_input(self, request, body):\n        return body", True),
    ("@functools.wraps(print)\n    def pre_input(self, *given):\n        return given[0]", True),
    ("pre_input = functools.partial(print)", True),
]


@pytest.mark.parametrize("method, waits", METHODS)
def test_only_a_method_without_an_await_is_run_at_once(method, waits):
    source = f"{HEAD}    {method}\n".encode()
    loaded = Loaded("/hooks/probe.py", "probe", {}, source)
    assert loaded.may_wait("pre_input")  # not loaded yet: nobody knows
    loaded.hook()
    assert loaded.may_wait("pre_input") is waits
    assert not loaded.may_wait("stop")
