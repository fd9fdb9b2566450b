#!/usr/bin/env bash
# Builds Codex-Plus when needed and runs it from this checkout, keeping proxy.pid and proxy.log
# beside this file. Everything else is the binary's: see `codex-plus --help`.
# Works with bash 3.2, the one macOS has.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: ./proxy.sh COMMAND [ARGS...]

  start | enable    build if needed, start in the background on 127.0.0.1:10000
  stop | disable    stop, letting live streams finish first
  restart           stop and start again
  status            say whether it runs, and where
  logs [-f]         show the log
  demo              one turn through the proxy; needs no account and no network

Further arguments go to the program, such as: ./proxy.sh start --listen 127.0.0.1:10001
CODEX_PLUS_BIN names a built program to run instead of building one.
TEXT
}

fail() {
  printf 'error: %s\n' "$1" >&2
  exit "${2:-1}"
}

# The folder of this file, also when it was called through a symbolic link.
here() {
  local file="$0" link
  while [ -L "$file" ]; do
    link="$(readlink "$file")"
    case "$link" in
      /*) file="$link" ;;
      *) file="$(dirname "$file")/$link" ;;
    esac
  done
  (cd "$(dirname "$file")" && pwd -P)
}

# Whether a source is newer than the program (or the program is missing).
is_stale() {
  [ -x "$1" ] || return 0
  local newer
  newer="$(find Cargo.toml Cargo.lock crates src -type f -newer "$1" \
    ! -path '*/tests/*' ! -name '*.md' ! -name '*.pyc' -print 2>/dev/null | head -n 1 || true)"
  [ -n "$newer" ]
}

build() {
  # rustup writes there, and a shell that was open before does not know yet.
  if ! command -v cargo >/dev/null 2>&1 && [ -x "$HOME/.cargo/bin/cargo" ]; then
    PATH="$HOME/.cargo/bin:$PATH"
  fi
  command -v cargo >/dev/null 2>&1 ||
    fail "the Rust toolchain is missing; get it from https://rustup.rs, then run this again"
  command -v cc >/dev/null 2>&1 || command -v gcc >/dev/null 2>&1 || command -v clang >/dev/null 2>&1 ||
    fail "a C compiler is missing; install one (Debian, Ubuntu: apt install build-essential; Fedora: dnf install gcc; macOS: xcode-select --install), then run this again"
  printf 'Building codex-plus (the first time takes a few minutes) ...\n' >&2
  cargo build --release --locked -p codex-plus ||
    fail "the build failed; the messages above say why"
  # Cargo leaves a program alone that would come out the same; mark it as looked at.
  touch "$1"
}

root="$(here)"
command="${1:-}"
[ $# -gt 0 ] && shift
case "$command" in
  enable) command=start ;;
  disable) command=stop ;;
  start | stop | restart | status | logs | demo) ;;
  -h | --help | help)
    usage
    exit 0
    ;;
  '')
    usage >&2
    exit 2
    ;;
  *) fail "there is no command '$command'; ./proxy.sh --help lists them" 2 ;;
esac

program="${CODEX_PLUS_BIN:-}"
if [ -z "$program" ]; then
  # Asked for by path, so that --help of this script need not parse cargo's output.
  case "${CARGO_TARGET_DIR:-}" in
    '') target="$root/target" ;;
    /*) target="$CARGO_TARGET_DIR" ;;
    *) target="$root/$CARGO_TARGET_DIR" ;;
  esac
  program="$target/release/codex-plus"
  case "$command" in
    start | restart | demo)
      if (cd "$root" && is_stale "$program"); then
        (cd "$root" && build "$program")
      fi
      ;;
    *)
      [ -x "$program" ] || fail "codex-plus is not built yet; ./proxy.sh start builds and starts it"
      ;;
  esac
elif [ ! -x "$program" ]; then
  fail "CODEX_PLUS_BIN=$program is not a program; set it to a built codex-plus" 2
fi

export CODEX_PLUS_STATE_DIR="$root"
# "${@+...}": bash 3.2 takes an empty "$@" for an unset variable.
exec "$program" "$command" ${@+"$@"}
