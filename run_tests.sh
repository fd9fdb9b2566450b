#!/usr/bin/env bash
# Installs what the tests need, runs them, and ends with `N passed, N failed`.
# Works with bash 3.2, the one macOS has.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: ./run_tests.sh [all | unit | e2e | python | soak | install | fuzz SECONDS | NAME...]

  all      every suite (the default)
  unit     the crates by themselves
  e2e      the suites in tests/, which run the built program
  python   the Python package by itself
  soak     the long soak: 1,000,000 requests, 20,000 streams, 2,000 hook runs, 5 restarts, on an
           optimised build; the short one is among the suites
  install  only installs what the tests need
  fuzz     the fuzz targets, for SECONDS each with new cases; without SECONDS the fixed ones
  NAME...  suites of tests/ by name, such as: ./run_tests.sh codex_cli sdk

What is missing is installed: the C compiler, make, curl, Python, Node, lsof and libfaketime from the system's packages,
the Codex CLI and the OpenAI SDKs (pinned in tests/tools) into target/test-tools.
The suite `seed` runs docs/performance_test.md as it is written, and needs port 10000 free.
The last line is `N passed, N failed`; the exit code is 0 when all passed, 1 when not, 2 for wrong use.
TEXT
  printf 'Suites: %s\n' "$(suites | tr '\n' ' ')"
}

cd "$(dirname "$0")"
root="$(pwd -P)"
tools="$root/target/test-tools"
oldest_node=18

fail() {
  printf 'error: %s\n' "$1" >&2
  exit "${2:-1}"
}

step() {
  printf '== %s\n' "$1"
}

has() {
  command -v "$1" >/dev/null 2>&1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif has sudo; then
    sudo -n "$@"
  else
    fail "installing packages needs root; run as root: $*"
  fi
}

# --- What the tests need -----------------------------------------------------------------------

node_is_usable() {
  local major
  major="$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\).*/\1/p')"
  [ -n "$major" ] && [ "$major" -ge "$oldest_node" ] && has npm
}

# Prints what is missing, as Debian's package names.
missing_packages() {
  has cc || has gcc || has clang || printf 'build-essential '
  # The allocator is built with it.
  has make || printf 'make '
  has curl || printf 'curl ca-certificates '
  has git || printf 'git '
  has lsof || printf 'lsof '
  has ps || printf 'procps '
  # On Debian venv and its pip are packages of their own.
  python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || printf 'python3 python3-venv '
  node_is_usable || printf 'nodejs npm '
  has zsh || printf 'zsh '
  has fish || printf 'fish '
  # It moves the clock under a running proxy.
  compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || printf 'libfaketime '
}

install_packages() {
  local missing
  missing="$(missing_packages)"
  [ -n "$missing" ] || return 0
  step "installing: $missing"
  if has apt-get; then
    # One list of words on purpose.
    # shellcheck disable=SC2086
    { as_root apt-get update -qq &&
      as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } \
      </dev/null || fail "apt-get could not install: $missing"
  else
    fail "missing: $missing(names of Debian's packages); install them (macOS: brew install python node lsof fish libfaketime; xcode-select --install), then run this again"
  fi
  node_is_usable ||
    fail "Node $oldest_node or newer, with npm, is needed; $(node --version 2>/dev/null || echo none) is here"
}

find_rust() {
  # rustup writes there, and a shell that was open before does not know yet.
  if ! has cargo && [ -x "$HOME/.cargo/bin/cargo" ]; then
    PATH="$HOME/.cargo/bin:$PATH"
  fi
  has cargo ||
    fail "the Rust toolchain is missing; get it from https://rustup.rs, then run this again"
}

# Whether $1 was made from the files that follow, as they are now.
is_current() {
  local stamp="$1"
  shift
  [ -f "$stamp" ] && cat "$@" | cmp -s - "$stamp"
}

install_tools() {
  local wanted=tests/tools
  mkdir -p "$tools/codex"
  if ! is_current "$tools/codex/stamp" "$wanted/package.json" "$wanted/package-lock.json"; then
    step "installing the Codex CLI and the OpenAI SDK for Node"
    rm -f "$tools/codex/stamp"
    cp "$wanted/package.json" "$wanted/package-lock.json" "$tools/codex/"
    (cd "$tools/codex" && npm ci --no-audit --no-fund --loglevel=error </dev/null) ||
      fail "npm could not install tests/tools/package.json"
    cat "$wanted/package.json" "$wanted/package-lock.json" >"$tools/codex/stamp"
  fi
  if ! is_current "$tools/venv/stamp" "$wanted/requirements.txt"; then
    step "installing the OpenAI SDK for Python"
    rm -rf "$tools/venv"
    { python3 -m venv "$tools/venv" &&
      "$tools/venv/bin/pip" install --quiet --disable-pip-version-check -r "$wanted/requirements.txt"; } \
      </dev/null || fail "pip could not install tests/tools/requirements.txt"
    cat "$wanted/requirements.txt" >"$tools/venv/stamp"
  fi
}

install_pytest() {
  local wanted=tests/tools/pytest.txt
  is_current "$tools/pytest/stamp" "$wanted" && return 0
  step "installing pytest"
  rm -rf "$tools/pytest"
  { python3 -m venv "$tools/pytest" &&
    "$tools/pytest/bin/pip" install --quiet --disable-pip-version-check -r "$wanted"; } \
    </dev/null || fail "pip could not install $wanted"
  cat "$wanted" >"$tools/pytest/stamp"
}

install_requests() {
  local wanted=tests/tools/seed.txt
  is_current "$tools/seed/stamp" "$wanted" && return 0
  step "installing what docs/performance_test.md imports"
  rm -rf "$tools/seed"
  { python3 -m venv "$tools/seed" &&
    "$tools/seed/bin/pip" install --quiet --disable-pip-version-check -r "$wanted"; } \
    </dev/null || fail "pip could not install $wanted"
  cat "$wanted" >"$tools/seed/stamp"
}

# --- The suites --------------------------------------------------------------------------------

passed=0
failed=0

# Runs a command that ends as cargo test does, shows what it says, and adds up its
# `test result: ok. 3 passed; 0 failed; ...` lines.
count_tests() {
  local said code=0 sum
  said="$(mktemp)"
  "$@" </dev/null 2>&1 | tee "$said" || code=$?
  sum="$(sed -n 's/^test result: [^.]*\. \([0-9]*\) passed; \([0-9]*\) failed;.*/\1 \2/p' "$said" |
    awk '{ passed += $1; failed += $2 } END { print passed + 0, failed + 0 }')"
  rm -f "$said"
  passed=$((passed + ${sum% *}))
  failed=$((failed + ${sum#* }))
  # A suite that does not build, or dies, says no result; it must not look like a good end.
  if [ "$code" != 0 ] && [ "${sum#* }" = 0 ]; then
    failed=$((failed + 1))
    printf 'error: `%s` ended with %s\n' "$*" "$code"
  fi
}

suites() {
  local file
  for file in tests/*.rs; do
    basename "$file" .rs
  done
}

run_rust() {
  step "cargo test $*"
  count_tests cargo test --locked --no-fail-fast "$@"
}

# pytest's last line is `2 failed, 30 passed in 1.20s`.
run_python() {
  local said code=0 line good bad
  step "pytest tests/python"
  said="$(mktemp)"
  "$tools/pytest/bin/python" -m pytest -q -p no:cacheprovider tests/python </dev/null 2>&1 |
    tee "$said" || code=$?
  line="$(tail -n 1 "$said")"
  rm -f "$said"
  good="$(printf '%s' "$line" | sed -n 's/^\(.*[^0-9]\)\{0,1\}\([0-9][0-9]*\) passed.*/\2/p')"
  bad="$(printf '%s' "$line" | sed -n 's/^\(.*[^0-9]\)\{0,1\}\([0-9][0-9]*\) failed.*/\2/p')"
  passed=$((passed + ${good:-0}))
  failed=$((failed + ${bad:-0}))
  if [ "$code" != 0 ] && [ -z "$bad" ]; then
    failed=$((failed + 1))
  fi
}

run_suites() {
  local flags="" name
  for name in "$@"; do
    [ -f "tests/$name.rs" ] ||
      fail "there is no suite '$name'; the suites are: $(suites | tr '\n' ' ')" 2
    flags="$flags --test $name"
  done
  # One list of words on purpose.
  # shellcheck disable=SC2086
  run_rust -p codex-plus $flags
}

case "${1:-all}" in
  -h | --help | help)
    usage
    exit 0
    ;;
  -*)
    usage >&2
    exit 2
    ;;
esac

export CODEX_PLUS_TEST_CODEX="${CODEX_PLUS_TEST_CODEX:-}"
[ -n "$CODEX_PLUS_TEST_CODEX" ] || unset CODEX_PLUS_TEST_CODEX

find_rust
install_packages
install_tools
install_pytest
install_requests
case "${1:-all}" in
  install) exit 0 ;;
  all)
    run_python
    run_rust --workspace
    ;;
  python) run_python ;;
  soak)
    export CODEX_PLUS_TEST_SOAK=long
    run_rust --release -p codex-plus --test soak -- --nocapture
    ;;
  unit)
    run_rust --workspace --exclude codex-plus
    run_rust -p codex-plus --bins
    ;;
  fuzz)
    if [ -n "${2:-}" ]; then
      case "$2" in *[!0-9]*) fail "SECONDS is a number, not '$2'" 2 ;; esac
      export CODEX_PLUS_FUZZ_SECONDS="$2"
    fi
    run_suites fuzz
    ;;
  # One list of words on purpose.
  # shellcheck disable=SC2046
  e2e) run_suites $(suites) ;;
  *) run_suites "$@" ;;
esac

printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
