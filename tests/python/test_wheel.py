import subprocess
import sys
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]

USE = """
import sys
sys.path.insert(0, {installed!r})
import codex_plus
from codex_plus.hooks import Hook, hook_system

assert codex_plus.__file__.startswith({installed!r})
assert isinstance(hook_system.hooks, list)

class Tag(Hook):
    async def pre_input(self, request, body):
        return body

print(Tag("tag", {{}}).name)
"""


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def test_a_wheel_is_built_and_works_where_it_is_installed(tmp_path):
    wheels, installed = tmp_path / "wheels", tmp_path / "installed"
    # Nothing is fetched: what builds it is installed beside pytest.
    offline = ("--no-deps", "--no-index")
    pip("wheel", *offline, "--no-build-isolation", "-w", str(wheels), str(CHECKOUT))
    (wheel,) = wheels.iterdir()
    names = set(zipfile.ZipFile(wheel).namelist())
    package = CHECKOUT / "src" / "codex_plus"
    files = {
        f"codex_plus/{file.relative_to(package)}"
        for file in package.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert "codex_plus/py.typed" in files
    assert {name for name in names if ".dist-info/" not in name} == files
    pip("install", *offline, "--target", str(installed), str(wheel))
    # -I: neither the working directory nor PYTHONPATH.
    code = USE.format(installed=str(installed))
    command = [sys.executable, "-I", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "tag"), done.stderr
