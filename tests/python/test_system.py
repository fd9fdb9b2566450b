import asyncio
import json
import os
import subprocess
import threading
from urllib.parse import quote
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from codex_plus.git_status import render
from codex_plus.hooks import HookInfo, HookSystem

ANSWERS = {
    "/codex-plus/status-line": {"status_line": "[Dir: x]", "mode": "prompt"},
    "/codex-plus/hooks": {
        "hooks": [{"name": "a", "type": "stop", "path": "/a.py", "enabled": True, "priority": 5}],
        "settings_hooks": {"Stop": []},
        "session_id": "s1",
    },
    "/codex-plus/hooks/session-start": {"context": "hello"},
}


ASKED = []


class Proxy(BaseHTTPRequestHandler):
    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        ASKED.append(self.path)
        found = ANSWERS.get(self.path.partition("?")[0])
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(json.dumps(found).encode())

    do_POST = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture
def system():
    server = HTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield HookSystem(server.server_port)
    server.shutdown()
    server.server_close()


@pytest.fixture
def closed_port():
    server = HTTPServer(("127.0.0.1", 0), Proxy)
    server.server_close()
    return server.server_port


def test_the_proxy_answers(system):
    assert asyncio.run(system.run_status_line()) == "[Dir: x]"
    assert ASKED[-1] == "/codex-plus/status-line?cwd=" + quote(os.getcwd())
    assert system.status_line_mode() == "prompt"
    assert system.hooks == [HookInfo("a", "stop", "/a.py", True, 5)]
    assert ASKED[-1] == "/codex-plus/hooks?cwd=" + quote(os.getcwd())
    assert system.settings_hooks == {"Stop": []}
    assert system.session_id == "s1"
    assert asyncio.run(system.settings_session_start()) == {"context": "hello"}
    assert asyncio.run(system.settings_session_end()) == {}


def test_the_port_is_the_listen_address_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CODEX_PLUS_STATE_DIR", raising=False)
    monkeypatch.delenv("CODEX_PLUS_LISTEN", raising=False)
    assert HookSystem().port == 10000
    (tmp_path / "proxy.json").write_text('{"listen": "127.0.0.1:1234"}')
    assert HookSystem().port == 1234
    monkeypatch.setenv("CODEX_PLUS_LISTEN", "127.0.0.1:4321")
    assert HookSystem().port == 4321


def test_git_answers_when_no_proxy_runs(closed_port, monkeypatch, tmp_path):
    repository = tmp_path / "house"
    repository.mkdir()
    subprocess.run(["git", "init", "-q", "-b", "feature"], cwd=repository, check=True)
    (repository / "new").write_text("")
    monkeypatch.chdir(repository)
    monkeypatch.setattr("shutil.which", lambda name: None)
    system = HookSystem(closed_port)
    line = asyncio.run(system.run_status_line())
    assert line == "[Dir: house | Local: feature (dirty) | Remote: none | PR: none]"
    assert (system.hooks, system.session_id, system.status_line_mode()) == ([], None, "off")


def test_the_binary_answers_when_no_proxy_runs(closed_port, monkeypatch, tmp_path):
    told = {
        "status-line": "[Dir: y]",
        "status-line --json": json.dumps({"mode": "response"}),
        "hooks --json": json.dumps(ANSWERS["/codex-plus/hooks"]),
    }
    binary = tmp_path / "codex-plus"
    cases = "".join(f"'{asked}') echo '{said}';; " for asked, said in told.items())
    binary.write_text(f'#!/bin/sh\ncase "$*" in {cases} *) exit 1;; esac\n')
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    system = HookSystem(closed_port)
    assert asyncio.run(system.run_status_line()) == "[Dir: y]"
    assert system.status_line_mode() == "response"
    assert system.hooks == [HookInfo("a", "stop", "/a.py", True, 5)]
    assert system.settings_hooks == {"Stop": []}
    assert system.session_id == "s1"
    assert asyncio.run(system.settings_session_start()) == {}
    # One that fails is as good as none.
    binary.write_text("#!/bin/sh\nexit 1\n")
    assert (system.hooks, system.settings_hooks) == ([], {})


def test_the_line_tells_ahead_and_dirty():
    status = (
        "# branch.oid 1\n# branch.head feature\n# branch.upstream origin/feature\n"
        "# branch.ab +1 -0\n1 .M N... 100644 100644 100644 a b file\n"
    )
    assert render("codex_plus", status) == (
        "[Dir: codex_plus | Local: feature (ahead 1, dirty) | Remote: origin/feature | PR: none]"
    )
