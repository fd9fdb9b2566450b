"""``hook_system``: what the running proxy knows of hooks, sessions and the status line."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional
from urllib.parse import quote

from .git_status import status_line

__all__ = ["HookInfo", "HookSystem", "hook_system"]

DEFAULT_PORT = 10000
# A proxy on loopback answers from memory; one that does not is as good as none.
SECONDS = 2.0


class HookInfo(NamedTuple):
    """A hook the proxy has loaded."""

    name: str
    type: str
    path: str
    enabled: bool
    priority: int


class HookSystem:
    """Asks the running proxy; then the ``codex-plus`` binary; then git, for the status line."""

    def __init__(self, port: Optional[int] = None) -> None:
        self._port = port

    @property
    def port(self) -> int:
        """Where the proxy listens: as given, ``CODEX_PLUS_LISTEN``, ``proxy.json``, 10000."""
        if self._port:
            return self._port
        return _port_of(os.environ.get("CODEX_PLUS_LISTEN", "")) or _recorded_port() or DEFAULT_PORT

    async def run_status_line(self) -> str:
        """The status line of the working directory; empty outside a repository."""
        return await asyncio.get_running_loop().run_in_executor(None, self._status_line)

    def status_line_mode(self) -> str:
        """Where the line is shown; ``off`` when neither proxy nor binary is there."""
        told = self._asked("/codex-plus/status-line", "status-line", "--json")
        return str(told.get("mode", "off"))

    @property
    def hooks(self) -> List[HookInfo]:
        """The Python hooks of the working directory."""
        found = self._told().get("hooks") or []
        return [
            HookInfo(
                str(hook.get("name", "")),
                str(hook.get("type", "")),
                str(hook.get("path", "")),
                bool(hook.get("enabled", True)),
                int(hook.get("priority", 100)),
            )
            for hook in found
        ]

    @property
    def settings_hooks(self) -> Dict[str, Any]:
        """The command and HTTP hooks of the settings files, by event."""
        return dict(self._told().get("settings_hooks") or {})

    @property
    def session_id(self) -> Optional[str]:
        """The session the proxy saw last."""
        found = self._told().get("session_id")
        return None if found is None else str(found)

    async def settings_session_start(self, source: str = "startup") -> Dict[str, Any]:
        """Run the SessionStart hooks of the settings files; what they put out.

        Without a running proxy there is no session, and nothing is run.
        """
        return await self._event("session-start", {"source": source})

    async def settings_session_end(self, reason: str = "exit") -> Dict[str, Any]:
        """Run the SessionEnd hooks of the settings files; as :meth:`settings_session_start`."""
        return await self._event("session-end", {"reason": reason})

    async def _event(self, event: str, told: Dict[str, Any]) -> Dict[str, Any]:
        path = f"/codex-plus/hooks/{event}"
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, lambda: self._ask(path, told)) or {}

    def _status_line(self) -> str:
        told = self._ask(_here("/codex-plus/status-line"))
        if told is not None:
            return str(told.get("status_line") or "")
        said = _binary("status-line")
        return status_line() if said is None else said.strip()

    def _told(self) -> Dict[str, Any]:
        """All about the hooks of the working directory."""
        return self._asked("/codex-plus/hooks", "hooks", "--json")

    def _asked(self, path: str, *arguments: str) -> Dict[str, Any]:
        """What the proxy says of the working directory; when none runs, what the binary does."""
        told = self._ask(_here(path))
        if told is None:
            try:
                told = json.loads(_binary(*arguments) or "{}")
            except ValueError:
                pass
        return told if isinstance(told, dict) else {}

    def _ask(self, path: str, post: Optional[Dict[str, Any]] = None) -> Optional[Dict[str, Any]]:
        """The proxy's JSON answer; ``None`` when no proxy gives one."""
        from http.client import HTTPConnection, HTTPException

        # Not urllib: it would honour http_proxy for loopback.
        connection = HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            if post is None:
                connection.request("GET", path)
            else:
                body = json.dumps(post)
                connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            if answer.status != 200:
                return None
            found = json.loads(answer.read(4 * 1024 * 1024))
            return found if isinstance(found, dict) else None
        except (OSError, HTTPException, ValueError):
            return None
        finally:
            connection.close()


def _here(path: str) -> str:
    """The path with our working directory: the proxy's own is another one."""
    try:
        return f"{path}?cwd={quote(os.getcwd())}"
    except OSError:
        # It was deleted.
        return path


def _binary(*arguments: str) -> Optional[str]:
    """What ``codex-plus`` says; ``None`` when there is none or it fails."""
    binary = shutil.which("codex-plus")
    if not binary:
        return None
    try:
        done = subprocess.run(
            [binary, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def _port_of(listen: str) -> Optional[int]:
    port = listen.rpartition(":")[2]
    return int(port) if port.isdigit() and 0 < int(port) < 65536 else None


def _recorded_port() -> Optional[int]:
    folder = Path(os.environ.get("CODEX_PLUS_STATE_DIR") or ".")
    try:
        told = json.loads((folder / "proxy.json").read_text("utf-8"))
        return _port_of(str(told.get("listen") or told.get("address") or told.get("port") or ""))
    except (OSError, ValueError, AttributeError):
        return None


#: The one to use.
hook_system = HookSystem()
