#!/usr/bin/env bash
# Has three operators of a test network cheat, and prints what each loses: testnet/slashing.sh
set -euo pipefail

root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
export PYTHONPATH="$root"
"$root/testnet/setup.sh"
cd "$root"
exec "${P2PAVS_VENV:-$root/.venv}/bin/python" -P -m testnet.slashing "$@"
