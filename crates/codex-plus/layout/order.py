#!/usr/bin/env python3
"""Writes the linker script that puts what a start and requests run side by side; see start.ld's head.

    CODEX_PLUS_LAYOUT=none cargo build --release --config profile.release.strip=false --locked -p codex-plus
    python3 crates/codex-plus/layout/order.py target/release/codex-plus

Needs valgrind, which tells which functions ran, and nm. The program it is given must not be laid out
already: valgrind reads the names of `.text` only.
"""
import collections
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.error
import urllib.request

# A group of names becomes one pattern when at least this part of it ran.
DENSE = 0.6
HEAD = """\
/* What a start and an idle proxy run, then what requests run, side by side; written by order.py.

   The kernel maps code in pieces of 64 KiB around each page that is run. A start runs a tenth of the
   program, which without this lies in nearly every piece. Names are patterns without the hashes
   that change with the compiler; one that fits nothing is passed over, a function that is missed
   stays where it was. Patterns of which most ran come first. */
"""


def functions(binary):
    """Address, size and name of each function."""
    lines = subprocess.run(["nm", "-S", "--defined-only", binary], capture_output=True, text=True, check=True)
    for line in lines.stdout.splitlines():
        parts = line.split()
        if len(parts) == 4 and parts[2] in "tTwW":
            yield int(parts[0], 16), int(parts[1], 16), parts[3]


def free_address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % free.getsockname()[1]


def answered(address):
    """Waits until somebody answers there."""
    for _ in range(300):
        try:
            return urllib.request.urlopen(f"http://{address}/health", timeout=30).read()
        except urllib.error.HTTPError as refused:
            return refused.code
        except OSError:
            time.sleep(0.1)
    sys.exit(f"nobody answers at {address}")


def ask(address, size, number):
    """A conversation of that size, as Codex sends it."""
    def text(role, name, kind, content):
        return {"type": "message", "role": role, "id": name, "content": [{"type": kind, "text": content}]}

    says = [text("user", "msg_c", "input_text", "<environment_context>\n  <cwd>/</cwd>\n</environment_context>")]
    says += [text("assistant", f"msg_a{part}", "output_text", "A line of it.\n" * 280) for part in range(size // 4000)]
    says += [text("user", f"msg_{number}", "input_text", "Say hello.")]
    body = {"model": "gpt-5.5", "instructions": "You are Codex.", "input": says, "stream": True, "store": False}
    head = {"content-type": "application/json", "originator": "codex_exec", "accept": "text/event-stream"}
    request = urllib.request.Request(f"http://{address}/responses", json.dumps(body).encode(), head)
    urllib.request.urlopen(request, timeout=120).read()


def ran(binary, sizes):
    """Names of the functions that run from a start to an end, with requests of these sizes between."""
    with tempfile.TemporaryDirectory() as folder:
        address, upstream = free_address(), free_address()
        config = pathlib.Path(folder, "config.toml")
        config.touch()
        environment = dict(os.environ, HOME=folder, CODEX_PLUS_STATE_DIR=folder + "/state", CODEX_PLUS_CONFIG=str(config))
        quiet = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        provider = subprocess.Popen([binary, "stand-in", "--listen", upstream], **quiet)
        try:
            answered(upstream)
            command = ["valgrind", "--tool=callgrind", "--trace-children=yes", "--demangle=no"]
            # Its own words in a file: else it keeps the pipe by which `start` hears that all is up.
            command += [f"--callgrind-out-file={folder}/ran.%p", f"--log-file={folder}/said.%p", binary]
            command += ["start", "--listen", address, "--upstream", f"http://{upstream}/v1"]
            subprocess.run(command, check=True, **quiet)
            answered(address)
            for number, size in enumerate(sizes):
                ask(address, size, number)
            time.sleep(3)
            subprocess.run([binary, "stop"], check=True, **quiet)
        finally:
            provider.terminate()
            provider.wait()
        names = []
        for told in pathlib.Path(folder).glob("ran.*"):
            names += re.findall(r"^c?fn=\(\d+\) (\S+)$", told.read_text(errors="replace"), re.M)
    # A recursive function is told as name'2.
    return {name.split("'")[0] for name in names}


def pattern(name):
    """The name without what changes from build to build."""
    name = re.sub(r"\.(llvm|isra|constprop|part|cold)\b.*$", "*", name)
    name = re.sub(r"17h[0-9a-f]{16}E", "17h*", name).replace("**", "*")
    return re.sub(r"Cs[0-9A-Za-z]{8,}_(?=\d)", "Cs*_", name) if name.startswith("_R") else name


def steps(name):
    """Where a name can be cut: after each part of a path."""
    if not name.startswith("_ZN"):
        return []
    cuts, at = [], 3
    while found := re.match(r"\d+", name[at:]):
        at += len(found.group()) + int(found.group())
        if at < len(name) and name[at] != "1" or not name[at:].startswith("17h*"):
            cuts.append(at)
    return cuts[:-1]


def groups(total, hot):
    """Patterns by name: the shortest beginnings of which enough ran."""
    sums, hots = collections.Counter(), collections.Counter()
    for name, size in total.items():
        for cut in steps(name):
            sums[name[:cut]] += size
            hots[name[:cut]] += hot.get(name, 0)
    chosen = {}
    for name, size in hot.items():
        whole = next((name[:cut] for cut in steps(name) if hots[name[:cut]] >= DENSE * sums[name[:cut]]), None)
        if whole:
            chosen[whole + "*"] = hots[whole] / sums[whole]
        else:
            chosen[name] = size / total[name]
    return chosen


def main():
    binary = sys.argv[1]
    started = ran(binary, [])
    served = ran(binary, [1_000, 1_000, 100_000, 10_000_000, 1_000])
    total, at_start, at_work, seen = (collections.Counter() for _ in range(4))
    for address, size, name in functions(binary):
        if seen[address]:
            continue
        seen[address] = 1
        total[pattern(name)] += size
        for names, hot in (started, at_start), (served, at_work):
            if name in names:
                hot[pattern(name)] += size
    # What a start runs comes first, then what only requests run. A linker goes by the first that fits.
    order = []
    for hot in at_start, at_work:
        chosen = groups(total, hot)
        order += sorted(chosen, key=lambda name: (-round(chosen[name], 2), name))
        print(f"{len(hot)} names of {sum(hot.values()) >> 10} KiB ran; {len(chosen)} patterns")
    # The star finds what the compiler marks as unlikely, too, which stands in sections of its own.
    words = " ".join(f"*(.text*.{name})" for name in dict.fromkeys(order))
    body = textwrap.fill(words, 120, initial_indent="    ", subsequent_indent="    ",
                         break_long_words=False, break_on_hyphens=False)
    script = HEAD + "SECTIONS {\n  .text.start : {\n" + body + "\n  }\n} INSERT BEFORE .text;\n"
    pathlib.Path(__file__).with_name("start.ld").write_text(script)


if __name__ == "__main__":
    main()
