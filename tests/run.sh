#!/usr/bin/env bash
# All checks of the project, each with what it took; a summary at the end. --quick leaves out the end-to-end run.
set -euo pipefail

root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"

end_to_end=yes
for argument in "$@"; do
    case "$argument" in
        --quick) end_to_end=no ;;
        *)
            echo "usage: tests/run.sh [--quick]" >&2
            exit 2
            ;;
    esac
done

summary=()
failed=0

check() { # TITLE COMMAND...
    local title="$1" begin=$SECONDS outcome=ok
    shift
    printf '\n== %s: %s\n' "$title" "$*"
    if ! "$@"; then
        outcome=FAILED
        failed=1
    fi
    summary+=("$(printf '%-8s %-28s %4ds' "$outcome" "$title" "$((SECONDS - begin))")")
}

bundle() {
    [[ -d web/node_modules ]] || npm ci --no-audit --no-fund --silent --prefix web || return
    npm run --silent --prefix web check
}

testnet/setup.sh
python="${P2PAVS_VENV:-$root/.venv}/bin/python"

check "ruff: lint" "$python" -m ruff check .
check "ruff: format" "$python" -m ruff format --check .
check "types: the packages" "$python" -m mypy --strict -p consensus -p inference -p p2pavs
check "types: network, examples" "$python" -m mypy --strict testnet examples tests/e2e/harness.py
check "JavaScript verifier: bundle" bundle
check "import rule" "$python" -m pytest -q tests/unit/test_imports.py
check "unit tests" "$python" -m pytest -q tests/unit --ignore tests/unit/test_imports.py
check "contracts (forge)" "$python" -m tests.forge
check "simulation" "$python" -m pytest -q tests/sim
check "conformance vectors" "$python" -m pytest -q tests/vectors
check "integration tests" "$python" -m pytest -q tests/integration
if [[ "$end_to_end" == yes ]]; then
    check "client in another language" tests/outside/run.sh
    check "end to end" "$python" -m pytest -q tests/e2e
fi

printf '\n== summary\n'
printf '%s\n' "${summary[@]}"
exit "$failed"
