"""The class every hook inherits from."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

from .exchange import Request, Response

__all__ = ["Hook"]


class Hook:
    """A step of yours in an exchange. Override what you need; the rest does nothing.

    One object is made per worker process and lives until its file changes, so attributes of
    ``self`` last over calls but are not shared between workers. Methods may ``await``; other calls
    run meanwhile. A method that raises is logged, and the exchange goes on as if it had not run.
    """

    #: The hook's name: ``name`` of its metadata, or the file's name without ``.py``.
    name: str
    #: The whole metadata of the file, defaults filled in.
    config: Dict[str, Any]

    def __init__(self, name: str, config: Optional[Mapping[str, Any]] = None) -> None:
        self.name = name
        self.config = dict(config or {})

    async def pre_input(self, request: Request, body: Any) -> Any:
        """Called before a request goes upstream.

        ``body`` is the decoded request. Change it in place or return another one; ``None`` means
        "as it is now". Only what differs afterwards is edited in the bytes that go out. With
        ``input: prompt`` in the metadata it is ``{"prompt": "..."}``, with ``input: meta`` ``{}``.
        """
        return None

    async def post_output(self, response: Response) -> Optional[Response]:
        """Called with the answer: whole for a JSON one, the head alone for a stream."""
        return None

    async def pre_tool_use(self, request: Request, tool_name: str, tool_args: Any) -> Any:
        """Called when the model asks for a tool; change or return the arguments."""
        return None

    async def post_tool_use(
        self, request: Request, tool_name: str, tool_args: Any, tool_output: Any
    ) -> Any:
        """Called when a tool's output is on its way to the model; change or return the output."""
        return None

    async def stop(self, request: Request, conversation_data: Any) -> Any:
        """Called when the model ended its turn. What is returned (JSON) goes to the proxy."""
        return None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"
