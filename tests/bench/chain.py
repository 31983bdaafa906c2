"""What the contracts cost, beside what one would use instead: ``python -m tests.bench.chain [--gwei 1]``.

Gas of whole transactions on a fresh development chain. Beside it k-of-n ECDSA signatures, checked by a small
contract on such a chain, and figures that others published for theirs: those are quoted, not measured.
"""

from __future__ import annotations

import argparse
import sys

from p2pavs.bench.part import run, say
from p2pavs.bench.result import Bars, Cell, Chart, Result
from tests.bench import ecdsa, gas
from tests.bench.gas_table import GasTable, require_tools
from tests.integration.contracts.anvil import anvil

ECDSA_SIZES = (4, 7, 16, 32, 64, 128)

PUBLISHED = (
    (
        "EigenLayer, an AVS (Aligned Layer): task response with a BLS signature",
        400_000,
        "'~constant', more with operators that did not sign; "
        "github.com/yetanotherco/aligned_layer/issues/905 (2024-08)",
    ),
    (
        "EigenLayer, EigenDA V3: certificate of mainnet (128 operators, two quorums), nobody signed",
        3_532_040,
        "worst case; github.com/Layr-Labs/eigenda/pull/1925 (2025-08)",
    ),
    (
        "EigenLayer, EigenDA V3: the same on Sepolia",
        593_619,
        "worst case; github.com/Layr-Labs/eigenda/pull/1925 (2025-08)",
    ),
    (
        "Symbiotic relay, simple BLS verifier: verifyQuorumSigAt",
        488_430,
        "snapshots/SigVerifierBlsBn254SimpleTest.json at c36309f2 of github.com/symbioticfi/relay-contracts",
    ),
    (
        "Symbiotic relay, example settlement: verifyQuorumSigAt, least of 3",
        217_091,
        "snapshots/gas.txt at 0c0ad8b1 of github.com/symbioticfi/relay-contracts",
    ),
    (
        "Symbiotic relay, example settlement: verifyQuorumSigAt, most of 3",
        243_542,
        "snapshots/gas.txt at 0c0ad8b1 of github.com/symbioticfi/relay-contracts",
    ),
)
"""What, gas, and where it is published."""


def measure(options: argparse.Namespace) -> Result:
    """Our table, the alternative, and what others say."""
    require_tools()
    result = Result()
    table = gas.measure()
    table.add_to(result, "operators of equal stake, an answer of up to 32 bytes, few choices")
    ours = certificates(table)
    say("k-of-n ECDSA")
    compiled = ecdsa.artifact()
    theirs: dict[int, int] = {}
    with anvil() as url:
        for size in ECDSA_SIZES:
            theirs[size] = ecdsa.quorum_gas(url, compiled, size, 2 * size // 3 + 1)
    result.table(
        ("members", "certificate, more than 2/3 signed", "k-of-n ECDSA, as many signed", "ratio"),
        [
            (size, ours.get(size), theirs[size], None if size not in ours else ours[size] / theirs[size])
            for size in ECDSA_SIZES
        ],
        "ours pays out, stores the result and calls the dApp; the ECDSA contract stores one word",
    )
    quoted: list[tuple[Cell, ...]] = [(what, amount, source) for what, amount, source in PUBLISHED]
    result.table(
        ("published by others, not measured here", "gas", "source"),
        quoted,
        "calls inside a transaction, without its 21,000 and its data, where the source is a test's snapshot",
    )
    price(result, table, options.gwei, options.ether)
    result.charts.append(
        Chart(
            "Gas of a certificate",
            "members",
            "gas",
            {
                "p2pavs, least quorum": tuple(sorted(ours.items())),
                "k-of-n ECDSA, least quorum": tuple(theirs.items()),
            },
        )
    )
    result.bars.append(
        Bars(
            "Gas of checking a quorum: ours measured, others as published",
            "gas",
            ("gas",),
            {f"p2pavs, {size}": (float(amount),) for size, amount in ours.items()}
            | {f"ECDSA, {size}": (float(theirs[size]),) for size in theirs if size in ours}
            | {
                "Aligned Layer": (400_000.0,),
                "EigenDA, Sepolia": (593_619.0,),
                "Symbiotic, simple": (488_430.0,),
            },
        )
    )
    for size, amount in ours.items():
        result.measured("chain", {"certificate_gas": amount}, members=size, scheme="bls12-381")
    for size, amount in theirs.items():
        result.measured("chain", {"certificate_gas": amount}, members=size, scheme="ecdsa")
    return result


def certificates(table: GasTable) -> dict[int, int]:
    """Gas of certificates of whole sets with as many missing as may be, by size of the set."""
    found = {}
    for size in gas.SIZES:
        missing = (size - 1) // 3
        found[size] = table.of(f"certificate, whole set of {size}, {missing} missing")
    return found


def price(result: Result, table: GasTable, gwei: float, ether: float) -> None:
    """The cost of one task in currency."""
    request = table.of("request, 1,000 bytes of input")
    certificate = certificates(table)[gas.SIZES[0]]

    def dollars(amount: int) -> float:
        return amount * gwei * 1e-9 * ether

    result.table(
        ("at the stated price", "gas", "USD"),
        [
            ("request of 1,000 bytes", request, dollars(request)),
            (f"certificate of {gas.SIZES[0]} members", certificate, dollars(certificate)),
            ("both", request + certificate, dollars(request + certificate)),
        ],
        f"at {gwei:g} gwei for a unit of gas and {ether:,.0f} USD for an ether (--gwei, --ether)",
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gwei", type=float, default=1.0, help="price of a unit of gas (1)")
    parser.add_argument("--ether", type=float, default=3000.0, help="USD for an ether (3000)")


if __name__ == "__main__":
    sys.exit(run(measure, repeats=None, add_options=add_options, description=__doc__))
