#!/usr/bin/env bash
# Builds Codex-Plus and the load harness, measures the proxy beside others, and writes
# docs/benchmarks.md; or counts the instructions of its inner parts. Works with bash 3.2, but
# measures on Linux only: it reads /proc.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: ./bench.sh [quick | full] [--only ROW]...
       ./bench.sh micro [--keep] [--only TEXT]

  quick  four minutes (the default)
  full   ten minutes: more rounds and streams, memory over a million requests, and mitmproxy
         and LiteLLM from PyPI, which are installed below target/bench
  --only ROW  only this row: passthrough, bodies, edited, sse, websocket, hooks, status-line,
              process, memory, peers; the report takes the others from earlier runs

  Each row is kept in docs/benchmarks as JSON, the last three runs of the same build on the same
  machine: run it three times, and docs/benchmarks.md tells medians, and least and most. A row
  that fails says so there, and the others go on.

  micro  counts instructions with valgrind, and compares them with benches/instructions.json
  --keep       keeps the counts there instead
  --only TEXT  only parts with this in their name

The first two need nginx and HAProxy (Debian, Ubuntu: apt install nginx-light haproxy), git and
python3; micro needs valgrind. What apt has is installed when it may be. Servers get settings of
their own and free ports.
Exit codes: 0 all goals met, 1 a goal was missed or a row failed (docs/benchmarks.md says which), a
count grew by more than 3 %, or it could not be run.
TEXT
}

mode="${1:-quick}"
case "$mode" in
  -h | --help | help)
    usage
    exit 0
    ;;
esac

cd "$(dirname "$0")"

fail() {
  printf 'error: %s\n' "$1" >&2
  exit 1
}

[ "$(uname -s)" = Linux ] || fail "the harness reads /proc, so it measures on Linux only"
# Debian keeps servers out of a user's PATH.
PATH="$PATH:/usr/sbin"

# need PROGRAM PACKAGE...: installs the packages when the program is missing and that is allowed.
need() {
  program="$1"
  shift
  command -v "$program" >/dev/null 2>&1 && return
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || fail "missing: $program; install it, then run this again"
  printf '== installing %s\n' "$*" >&2
  # Installed, not started: policy-rc.d is asked before a package may start its service.
  { apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } \
    </dev/null || fail "apt-get could not install: $*"
}

if [ "$mode" = micro ]; then
  shift
  need valgrind valgrind libc6-dbg
  cargo build --release --locked -p codex-plus-micro
  exec target/release/codex-plus-micro "$@"
fi

need nginx nginx-light
need haproxy haproxy
need git git
need python3 python3

# peer NAME PACKAGE: a program from PyPI in a folder of its own. A full run does without it when it
# cannot be had, and the report says so.
peer() {
  place="target/bench/$1"
  [ -e "$place/ready" ] && return
  printf '== installing %s\n' "$1" >&2
  rm -rf "$place"
  if python3 -m venv "$place" && "$place/bin/pip" install --quiet --disable-pip-version-check "$2"; then
    : >"$place/ready"
  else
    rm -rf "$place"
  fi
}

if [ "$mode" = full ]; then
  mkdir -p target/bench
  peer mitmproxy mitmproxy
  peer litellm 'litellm[proxy]'
fi

# Ten thousand streams take two descriptors each; root may raise the limit.
ulimit -n 24576 2>/dev/null || true
cargo build --release --locked -p codex-plus -p codex-plus-bench
exec target/release/codex-plus-bench "$@"
