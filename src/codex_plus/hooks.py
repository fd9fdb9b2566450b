"""What a hook file imports: ``from codex_plus.hooks import Hook``."""

from .base import Hook
from .exchange import URL, Headers, Request, Response
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
