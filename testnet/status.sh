#!/usr/bin/env bash
# Shows which parts of a test network run, and what the network says of itself: testnet/status.sh [--dir DIR]
set -euo pipefail

root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
export PYTHONPATH="$root"
python="${P2PAVS_VENV:-$root/.venv}/bin/python"
[[ -x "$python" ]] || python=python3
exec "$python" -P -m testnet.testnet status "$@"
