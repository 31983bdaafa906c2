"""What a constructor is given for good, it refuses where it makes no sense."""

from __future__ import annotations

from typing import Any

import pytest

from p2pavs.chain.deploy import creation_code
from p2pavs.contracts import EIGEN_STAKE, PROXIES, artifact
from tests.integration.contracts.world import WITHDRAWAL_DELAY, Reverted, World, account

NOBODY, SOMEBODY = bytes(20), b"\1" * 20
FEES = (8, 1, 1, 0, 1)  # least base fee, target, bucket, of stake, seconds
SPANS = (30, 60, 600, 0)  # shortest and longest window, supplements, longest pause
WRONG: list[tuple[str, tuple[Any, ...], str]] = [
    ("NativeStakeRegistry", (0, 1, SOMEBODY), "BelowMinimum"),
    ("NativeStakeRegistry", (1, 1, NOBODY), "ZeroAddress"),
    ("EpochManager", (NOBODY, SOMEBODY, 10, 2), "ZeroAddress"),
    ("EpochManager", (SOMEBODY, NOBODY, 10, 2), "ZeroAddress"),
    ("EpochManager", (SOMEBODY, SOMEBODY, 10, 1), "WrongRevealBlocks"),
    ("ModelRegistry", (NOBODY, 1), "ZeroAddress"),
    *(
        ("TaskGateway", (*where, (*SPANS, 0, FEES)), "ZeroAddress")
        for where in (
            (NOBODY, SOMEBODY, SOMEBODY),
            (SOMEBODY, NOBODY, SOMEBODY),
            (SOMEBODY, SOMEBODY, NOBODY),
        )
    ),
    *(
        ("TaskGateway", (SOMEBODY, SOMEBODY, SOMEBODY, (*spans, 0, FEES)), error)
        for spans, error in (
            ((0, 60, 600, 0), "WrongWindow"),
            ((61, 60, 600, 0), "WrongWindow"),
            ((30, 60, 600, 30 * 86_400 + 1), "WrongLongestPause"),
        )
    ),
    *(
        ("TaskGateway", (SOMEBODY, SOMEBODY, SOMEBODY, (*SPANS, 0, fees)), "WrongFeeTerms")
        for fees in ((7, 1, 1, 0, 1), (8, 0, 1, 0, 1), (8, 2**31, 1, 0, 1), (8, 1, 0, 0, 1), (8, 1, 1, 0, 0))
    ),
    ("EquivocationVerifier", (NOBODY, SOMEBODY), "ZeroAddress"),
    ("WrongOutputVerifier", (SOMEBODY, SOMEBODY, NOBODY), "ZeroAddress"),
    ("LazyVoteVerifier", (SOMEBODY, NOBODY, SOMEBODY), "ZeroAddress"),
    ("AbsenceVerifier", (NOBODY, SOMEBODY, 1, 1), "ZeroAddress"),
    ("AbsenceVerifier", (SOMEBODY, SOMEBODY, 0, 1), "WrongRule"),
    ("AbsenceVerifier", (SOMEBODY, SOMEBODY, 2, 1), "WrongRule"),
    ("SlashingManager", (NOBODY, (SOMEBODY, SOMEBODY), 0, (0, 0, 0, 0), []), "ZeroAddress"),
    (EIGEN_STAKE, (NOBODY, SOMEBODY, SOMEBODY, 1, 1, 12), "ZeroAddress"),
    (EIGEN_STAKE, (SOMEBODY, NOBODY, SOMEBODY, 1, 1, 12), "ZeroAddress"),
    (EIGEN_STAKE, (SOMEBODY, SOMEBODY, NOBODY, 1, 1, 12), "ZeroAddress"),
    (EIGEN_STAKE, (SOMEBODY, SOMEBODY, SOMEBODY, 0, 1, 12), "BelowMinimum"),
]


def outcome(world: World, name: str, *arguments: Any) -> str:
    """The name of the error that keeps a contract from being made; empty where none does."""
    try:
        world.simulate_creation(name, creation_code(name, *arguments))
    except Reverted as error:
        return error.name
    return ""


@pytest.mark.parametrize(("name", "arguments", "error"), WRONG)
def test_what_makes_no_sense_is_refused(
    world: World, name: str, arguments: tuple[Any, ...], error: str
) -> None:
    assert outcome(world, name, *arguments) == error


def test_the_same_with_sense_in_it_is_taken(world: World) -> None:
    for name, arguments in (
        ("NativeStakeRegistry", (1, 1, SOMEBODY)),
        ("EpochManager", (SOMEBODY, SOMEBODY, 10, 2)),
        ("TaskGateway", (SOMEBODY, SOMEBODY, SOMEBODY, (*SPANS, 0, FEES))),
        ("AbsenceVerifier", (SOMEBODY, SOMEBODY, 1, 1)),
        (EIGEN_STAKE, (SOMEBODY, SOMEBODY, SOMEBODY, 1, 1, 12)),
    ):
        assert outcome(world, name, *arguments) == ""


def test_bounty_owner_and_guardian_of_slashing(world: World) -> None:
    stakes, who = world.stakes.address, (SOMEBODY, SOMEBODY)
    half = WITHDRAWAL_DELAY // 2

    def slashing(**changes: Any) -> str:
        given = {"who": who, "bounty": 5_000, "timing": (half - 1, 0, 0, 0)} | changes
        return outcome(world, "SlashingManager", stakes, *given.values(), [])

    assert slashing() == ""
    assert slashing(bounty=5_001) == "WrongBounty"
    assert slashing(timing=(half - 1, 0, 0, 1)) == "UnbondingTooShort"
    assert slashing(who=(NOBODY, SOMEBODY)) == "NoOwner"
    assert slashing(who=(SOMEBODY, NOBODY)) == "ZeroAddress"


def test_a_proxy_needs_an_owner_and_the_adapter_its_strategies_in_order(world: World) -> None:
    made = {
        name: world.deploy_code(artifact(name).abi, artifact(name).bytecode, *arguments)
        for name, arguments in (
            ("TaskGateway", (SOMEBODY, SOMEBODY, SOMEBODY, (*SPANS, 0, FEES))),
            (EIGEN_STAKE, (SOMEBODY, SOMEBODY, SOMEBODY, 1, 1, 12)),
        )
    }
    admin = account("admin")

    def proxy(name: str, *begin: Any) -> str:
        implementation = made[name]
        data = bytes.fromhex(implementation.encode_abi("initialize", begin)[2:])
        return outcome(world, PROXIES[name], implementation.address, admin, data)

    nobody, one, two = ("0x" + byte * 20 for byte in ("00", "01", "02"))
    assert proxy("TaskGateway", one) == ""
    assert proxy("TaskGateway", nobody) == "NoOwner"
    assert proxy(EIGEN_STAKE, one, [one, two]) == ""
    for strategies in ([], [two, one], [one, one]):
        assert proxy(EIGEN_STAKE, one, strategies) == "WrongStrategies"
