#!/usr/bin/env bash
# A js-libp2p client joins a network of ours, reads a task's messages and checks the certificate.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
[[ -d node_modules ]] || npm ci --no-audit --no-fund
cd ../..
exec "${P2PAVS_VENV:-.venv}/bin/python" -m pytest -q tests/outside
