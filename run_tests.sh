#!/usr/bin/env bash
# Installs what the tests need and runs them. Ends with "N passed, N failed".
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: ./run_tests.sh [SUITE]

  all      everything (the default)
  unit     tests of the crates, without the end-to-end suites
  e2e      every end-to-end suite
  NAME     one end-to-end suite: the name of a file in tests/, such as line or codex_cli

The clients that the end-to-end suites run (Codex, the OpenAI SDKs) are installed, pinned, into
target/test-tools. Needs a Rust toolchain; installs missing Debian packages (or names them).
TEXT
}

say() { printf '== %s\n' "$*" >&2; }
fail() {
  printf 'error: %s\n' "$1" >&2
  exit "${2:-1}"
}
has() { command -v "$1" >/dev/null 2>&1; }

# Runs apt-get, as root where we are not.
apt() {
  local sudo=()
  if [ "$(id -u)" != 0 ]; then
    has sudo || fail "installing packages needs root: run 'apt-get $*' as root, then this again"
    sudo=(sudo)
  fi
  ${sudo[@]+"${sudo[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get "$@" >/dev/null </dev/null
}

# Installs the packages of the commands that are missing: pairs of command:package.
need() {
  local pair missing=()
  for pair in "$@"; do
    has "${pair%%:*}" || missing+=("${pair##*:}")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  has apt-get || fail "missing: ${missing[*]}; install them with your package manager (macOS: brew install), then run this again"
  say "installing ${missing[*]}"
  apt update -q
  apt install -y -q --no-install-recommends "${missing[@]}"
}

need_rust() {
  if ! has cargo && [ -x "$HOME/.cargo/bin/cargo" ]; then
    PATH="$HOME/.cargo/bin:$PATH"
  fi
  has cargo || fail "the Rust toolchain is missing; get it from https://rustup.rs, then run this again"
}

# Codex and the SDKs, once for each state of their pins.
install_clients() {
  need curl:curl git:git python3:python3 lsof:lsof npm:npm zsh:zsh fish:fish
  local major
  major="$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/')"
  [ "${major:-0}" -ge 20 ] || fail "node ${major:-} is too old for Codex: install Node.js 20 or newer, then run this again"
  if ! cmp -s tests/tools/package-lock.json "$tools/package-lock.json" || [ ! -x "$tools/codex/node_modules/.bin/codex" ]; then
    say "installing Codex and the OpenAI SDK for Node.js"
    mkdir -p "$tools/codex"
    cp tests/tools/package.json tests/tools/package-lock.json "$tools/codex/"
    (cd "$tools/codex" && npm ci --no-audit --no-fund --loglevel=error </dev/null >&2)
    cp tests/tools/package-lock.json "$tools/"
  fi
  if ! cmp -s tests/tools/requirements.txt "$tools/requirements.txt" || [ ! -x "$tools/venv/bin/python" ]; then
    say "installing the OpenAI SDK for Python"
    if ! python3 -m venv --clear "$tools/venv" >/dev/null 2>&1; then
      apt update -q && apt install -y -q python3-venv
      python3 -m venv --clear "$tools/venv"
    fi
    "$tools/venv/bin/pip" install -q --disable-pip-version-check -r tests/tools/requirements.txt </dev/null >&2
    cp tests/tools/requirements.txt "$tools/"
  fi
}

# Runs cargo test, showing its output, and adds up what it says.
passed=0 failed=0
run() {
  local output ok=0 line
  output="$(mktemp)"
  say "cargo test $*"
  cargo test --locked --no-fail-fast "$@" </dev/null 2>&1 | tee "$output" || ok=$?
  while read -r line; do
    passed=$((passed + $(sed -E 's/.* ([0-9]+) passed.*/\1/' <<<"$line")))
    failed=$((failed + $(sed -E 's/.* ([0-9]+) failed.*/\1/' <<<"$line")))
  done < <(grep '^test result:' "$output" || true)
  # A suite that did not build, or died, prints no result of its own.
  if [ "$ok" != 0 ] && ! grep -q '^test result: FAILED' "$output"; then
    failed=$((failed + 1))
  fi
  rm -f "$output"
}

cd "$(dirname "$0")"
suite="${1:-all}"
case "$suite" in
  -h | --help | help)
    usage
    exit 0
    ;;
  all | unit | e2e) ;;
  *) [ -f "tests/$suite.rs" ] || fail "there is no suite '$suite'; ./run_tests.sh --help lists them" 2 ;;
esac

case "${CARGO_TARGET_DIR:-}" in
  '') target="$PWD/target" ;;
  /*) target="$CARGO_TARGET_DIR" ;;
  *) target="$PWD/$CARGO_TARGET_DIR" ;;
esac
tools="$target/test-tools"
mkdir -p "$tools"

need_rust
need cc:build-essential
case "$suite" in
  unit) run --workspace --lib --bins ;;
  all)
    install_clients
    run --workspace
    ;;
  e2e)
    install_clients
    suites=()
    for file in tests/*.rs; do
      suites+=(--test "$(basename "$file" .rs)")
    done
    run -p codex-plus "${suites[@]}"
    ;;
  *)
    install_clients
    run -p codex-plus --test "$suite"
    ;;
esac

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
