#!/usr/bin/env bash
# Stops a test network that testnet/up.sh started, and nothing else: testnet/down.sh [--dir DIR]
set -euo pipefail

root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
export PYTHONPATH="$root"
python="${P2PAVS_VENV:-$root/.venv}/bin/python"
[[ -x "$python" ]] || python=python3
exec "$python" -P -m testnet.testnet down "$@"
