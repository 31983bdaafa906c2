#!/usr/bin/env bash
# Starts a test network on this machine and asks it a first question:
#   testnet/up.sh [--nodes N] [--detach] [--dir DIR] [--openai] [--prompt TEXT] [--choices a,b]
# Without --detach it follows the network until Ctrl-C, which stops all that it started.
set -euo pipefail

root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
export PYTHONPATH="$root"
case " $* " in
    *" --help "* | *" -h "*) exec python3 -P -m testnet.testnet up --help ;;
esac
"$root/testnet/setup.sh"
exec "${P2PAVS_VENV:-$root/.venv}/bin/python" -P -m testnet.testnet up "$@"
