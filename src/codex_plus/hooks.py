"""What a hook file imports: ``from codex_plus.hooks import Hook``."""

from typing import TYPE_CHECKING, Any

from .base import Hook
from .exchange import URL, Headers, Request, Response

if TYPE_CHECKING:
    from .system import HookInfo, HookSystem, hook_system

__all__ = [
    "URL",
    "Headers",
    "Hook",
    "HookInfo",
    "HookSystem",
    "Request",
    "Response",
    "hook_system",
]


def __getattr__(name: str) -> Any:
    # Few hooks ask the proxy, and to load what that takes would hold up the first call of all.
    if name in ("HookInfo", "HookSystem", "hook_system"):
        from . import system

        return getattr(system, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
