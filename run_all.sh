#!/usr/bin/env bash
# The whole study in one command: make (or find) the environment, then hand over to `python -m mer_utils`.
#
#   ./run_all.sh                 the study on the synthetic corpora; ends with where the reports lie
#   ./run_all.sh OPTIONS         ./run_all.sh --help says which
#   ./run_all.sh VERB ...        ablations, train, list, scores, corpora ...; --help names all
#   ./run_all.sh test [ARGS]     the test suite, eleven to fourteen minutes; ARGS go to pytest
#   ./run_all.sh test --all      everything there is, the slow tests too
#
# An activated environment (conda, venv) that holds the pins of environment.yml is used as it is.
# Otherwise one is made in .venv, or in the folder that MER_VENV names.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
VENV="${MER_VENV:-$ROOT/.venv}"
case "$VENV" in /*) ;; *) VENV="$PWD/$VENV" ;; esac # pip and the tests start elsewhere
export PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}"

say() { printf '%s\n' "$*" >&2; }

holds() { "$1" -P -m mer_utils environment --check; }

# A Python that can make an environment: 3.11 is what the pins were tried with.
base_python() {
    local name
    for name in python3.11 python3 python3.12 python3.13; do
        if "$name" -c 'import sys, venv, ensurepip
sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    say "error: no Python 3.11, 3.12 or 3.13 with venv was found; install one (Debian, Ubuntu:" \
        "apt-get install python3 python3-venv; macOS: brew install python@3.11) and run this again"
    return 2
}

make_environment() {
    local base began=$SECONDS
    base="$(base_python)" || exit 2
    if [ -d "$VENV" ]; then
        say "The environment in $VENV is not complete: $1. Mending it."
    else
        say "Making an environment in $VENV from environment.yml, once:" \
            "about 2-4 minutes, about 2.5 GB (more where pip brings torch with CUDA)."
    fi
    # An interrupted first time may have left an interpreter without pip, or none.
    "$VENV/bin/python" -m pip --version >/dev/null 2>&1 || "$base" -m venv --clear "$VENV"
    "$base" -P -m mer_utils environment --requirements >"$VENV/requirements.txt"
    if ! (cd "$ROOT" && "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check \
        -r "$VENV/requirements.txt"); then
        say "error: pip could not install the packages (above is why); mend that and run this" \
            "again: what is installed already is kept"
        exit 2
    fi
    holds "$VENV/bin/python" || exit 2
    say "Environment ready after $((SECONDS - began)) s."
}

python=""
for active in "${VIRTUAL_ENV:-}" "${CONDA_PREFIX:-}"; do
    if [ -z "$python" ] && [ -n "$active" ] && [ "$active" != "$VENV" ]; then
        if why="$(holds "$active/bin/python" 2>&1)"; then
            python="$active/bin/python"
        else
            why="${why##*$'\n'}"
            say "The active environment $active is not used: ${why#error: }."
        fi
    fi
done

case "${1:-} ${2:-}" in -h* | --help* | [a-z]*" --help" | [a-z]*" -h") # needs no package: do not make anyone wait for an environment
    [ -x "${python:-$VENV/bin/python}" ] || python="$(base_python)"
    exec "${python:-$VENV/bin/python}" -P -m mer_utils "$@"
    ;;
esac

if [ -z "$python" ]; then
    python="$VENV/bin/python"
    if ! why="$(holds "$python" 2>&1)"; then
        why="${why##*$'\n'}"
        case "$why" in error:*) say "$why" && exit 2 ;; esac # another checkout's: it is left alone
        make_environment "$why"
    fi
fi

if [ "${1:-}" = test ]; then
    shift
    cd "$ROOT"
    # A file's tests stay in one process, because they share what is expensive.
    exec "$python" -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder "$@"
fi
exec "$python" -P -m mer_utils "$@"
