"""The status line from git alone, for when no proxy and no binary is there."""

from __future__ import annotations

import os
import subprocess
from typing import Optional


def _git(folder: str, *arguments: str) -> Optional[str]:
    try:
        # No optional locks: a status line must not get in the way of the user's own git.
        command = ["git", "--no-optional-locks", "-C", folder, *arguments]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def status_line(folder: Optional[str] = None) -> str:
    """``[Dir: ... | Local: ... | Remote: ... | PR: none]``; empty outside a repository."""
    folder = folder or os.getcwd()
    root = _git(folder, "rev-parse", "--show-toplevel")
    status = root and _git(folder, "status", "--porcelain=v2", "--branch")
    if not root or status is None:
        return ""
    return render(os.path.basename(root.strip()), status or "")


def render(directory: str, status: str) -> str:
    """The line for the output of ``git status --porcelain=v2 --branch``."""
    branch, remote, dirty = "detached", "none", False
    notes: list[str] = []
    for line in status.splitlines():
        if line.startswith("# branch.head "):
            branch = line[14:].strip("()")
        elif line.startswith("# branch.upstream "):
            remote = line[18:]
        elif line.startswith("# branch.ab "):
            ahead, behind = (abs(int(number)) for number in line[12:].split())
            notes += [f"ahead {ahead}"] if ahead else []
            notes += [f"behind {behind}"] if behind else []
        elif line and not line.startswith("#"):
            dirty = True
    if dirty:
        notes.append("dirty")
    local = f"{branch} ({', '.join(notes)})" if notes else branch
    return f"[Dir: {directory} | Local: {local} | Remote: {remote} | PR: none]"
