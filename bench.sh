#!/usr/bin/env bash
# Builds Codex-Plus and the load harness, measures the proxy beside others, and writes
# docs/benchmarks.md. Works with bash 3.2, but measures on Linux only: it reads /proc.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: ./bench.sh [quick | full] [--only ROW]...

  quick  a few minutes (the default)
  full   longer turns, more rounds, and what takes minutes by itself
  --only ROW  only this row; the report takes the others from earlier runs

Needs nginx and HAProxy (Debian, Ubuntu: apt install nginx-light haproxy), which it starts with
settings of its own on free ports, and installs them when it may.
Exit codes: 0 all goals met, 1 a goal was missed (docs/benchmarks.md says which) or it failed.
TEXT
}

case "${1:-quick}" in
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
missing=""
for program in nginx haproxy; do
  command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
if [ -n "$missing" ]; then
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || fail "missing:$missing; install them, then run this again"
  printf '== installing%s\n' "$missing" >&2
  # Installed, not started: policy-rc.d is asked before a package may start its service.
  { apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx-light haproxy; } \
    </dev/null || fail "apt-get could not install:$missing"
fi
cargo build --release --locked -p codex-plus -p codex-plus-bench
exec target/release/codex-plus-bench "$@"
