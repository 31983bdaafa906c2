#!/usr/bin/env bash
# Makes this clone ready to run: a virtual environment with the package and llama.cpp in the canonical build,
# and the development chain. The second run takes a moment. P2PAVS_VENV puts the environment elsewhere,
# P2PAVS_PYTHON names the interpreter to make it with.
set -euo pipefail

root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
export PYTHONPATH="$root"

new_enough() {
    command -v "$1" >/dev/null 2>&1 &&
        "$1" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

for candidate in "${P2PAVS_PYTHON:-python3}" python3.11 python3.12 python3.13; do
    if new_enough "$candidate"; then
        exec "$candidate" -P -m testnet.environment "$@"
    fi
    if [[ -n "${P2PAVS_PYTHON:-}" ]]; then
        echo "setup: P2PAVS_PYTHON=$P2PAVS_PYTHON is not a Python of version 3.11 or later." >&2
        exit 1
    fi
done

echo "setup: Python 3.11 or later is missing. On Debian: apt install python3 python3-venv python3-dev" >&2
echo "       With an interpreter elsewhere: P2PAVS_PYTHON=/path/to/python3.11 testnet/setup.sh" >&2
exit 1
