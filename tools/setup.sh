#!/bin/sh
# The steps behind the Makefile's stamps, one a call; all their talk goes to stderr.
set -eu
cd "$(dirname "$0")/.."

VENV=.venv
node_major_min=$(sed -n 's/^NODE_MAJOR_MIN = \([0-9]*\).*/\1/p' python/xmargin/testbed/packages.py)
rust_minor_min=$(sed -n 's/^rust-version = "1\.\([0-9]*\).*/\1/p' Cargo.toml)

say() { printf 'set-up: %s\n' "$*" >&2; }

fits() {
    "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        fits "$PYTHON" && echo "$PYTHON"
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11; do
        if fits "$candidate"; then echo "$candidate" && return; fi
    done
    return 1
}

has_python() {
    find_python >/dev/null && return
    say "missing: Python 3.11 or newer with its venv module (Debian: apt-get install python3 python3-venv); PYTHON=/path/to/python names another"
    return 1
}

has_rust() {
    minor=$(rustc --version 2>/dev/null | sed -n 's/^rustc 1\.\([0-9]*\).*/\1/p') || true
    if cargo --version >/dev/null 2>&1 && [ "${minor:-0}" -ge "$rust_minor_min" ]; then return; fi
    say "missing: Rust 1.$rust_minor_min or newer with cargo${minor:+ (found 1.$minor)}; get it with rustup (https://rustup.rs)"
    return 1
}

has_linker() {
    command -v cc >/dev/null && return
    say "missing: cc, the linker Rust needs (Debian: apt-get install gcc libc6-dev; macOS: xcode-select --install)"
    return 1
}

has_node() {
    major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p') || true
    if [ "${major:-0}" -ge "$node_major_min" ] && command -v npm >/dev/null; then return; fi
    say "missing: Node.js $node_major_min or newer with npm${major:+ (found $major)}, which bring the local chains (Debian: apt-get install nodejs npm)"
    return 1
}

# Checks all before giving up, so that one run names everything that is missing.
need() {
    complete=yes
    for tool in "$@"; do "has_$tool" || complete=no; done
    [ "$complete" = yes ] || exit 1
}

run_uv() {
    if command -v uv >/dev/null; then uv "$@"; else "$VENV/bin/uv" "$@"; fi
}

step_venv() {
    need python rust linker
    fits "$VENV/bin/python" && return
    say "making $VENV with $(find_python)"
    "$(find_python)" -m venv --clear "$VENV" >&2
}

step_packages() {
    if ! command -v uv >/dev/null && ! [ -x "$VENV/bin/uv" ]; then
        say "fetching uv"
        "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check \
            --require-hashes -r tools/uv.lock >&2
    fi
    say "installing the locked packages"
    run_uv pip sync --quiet --python "$VENV/bin/python" --require-hashes requirements.lock >&2
}

step_core() {
    need rust linker
    say "building the Rust core (release)"
    MATURIN_PEP517_ARGS=--locked PATH="$PWD/$VENV/bin:$PATH" run_uv pip install --quiet \
        --python "$VENV/bin/python" --no-build-isolation --no-deps --reinstall --editable . >&2
}

# What the core is measured against; a later sync of the packages takes it away again.
step_bench() {
    say "installing the engines to measure against"
    run_uv pip install --quiet --python "$VENV/bin/python" --require-hashes --no-deps \
        -r tools/bench.lock >&2
}

step_chains() {
    has_node || return 0
    say "fetching the local chains' npm packages"
    "$VENV/bin/python" -m xmargin.testbed >&2
}

compile_lock() {
    run_uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --custom-compile-command "make lock" "$@" >&2
}

# Pins that still fit are kept; `make lock ARGS=--upgrade` moves them.
step_lock() {
    echo uv | compile_lock --no-annotate --output-file tools/uv.lock "$@" -
    compile_lock --group dev --output-file requirements.lock "$@" pyproject.toml
    compile_lock --group bench --no-annotate --output-file tools/bench.lock "$@"
    if [ "${1:-}" = --upgrade ]; then cargo update >&2; else cargo update --workspace >&2; fi
}

case "$1" in
    need) shift && need "$@" ;;
    venv | packages | core | bench | chains | lock) step=$1 && shift && "step_$step" "$@" ;;
    *) say "no step is called $1" && exit 2 ;;
esac
