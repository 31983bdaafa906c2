"""``p2pavs deploy``: put the contracts on a chain."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import click

from p2pavs.chain.deploy import (
    Authority,
    DeployedContract,
    DeployParameters,
    Restaking,
    deploy_all,
    owned_contracts,
)
from p2pavs.chain.deploy_config import load_parameters
from p2pavs.chain.deployment import Deployment
from p2pavs.cli import common
from p2pavs.cli.options import account_address, json_option, parse_amount, with_account, with_rpc
from p2pavs.cli.output import address, ether, progress, show
from p2pavs.cli.sources import AccountOptions, ChainOptions
from p2pavs.contracts import NAMES, UPGRADEABLE
from p2pavs.errors import UsageError

_DEFAULTS = DeployParameters()


@click.command()
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Deployment file to write.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="TOML file with any of the deployment's parameters; the options below win over it.",
)
@click.option("--epoch-blocks", type=click.IntRange(1), help="Blocks an epoch lasts at least.")
@click.option(
    "--reveal-blocks",
    type=click.IntRange(1),
    help="Blocks that each leader has to reveal the next epoch's seed.",
)
@click.option("--minimum-stake", type=parse_amount, help="Stake of an operator, in ETH.")
@click.option(
    "--withdrawal-delay", type=click.IntRange(0), help="Seconds between asking stake back and getting it."
)
@click.option(
    "--minimum-window", type=click.IntRange(1), help="Least seconds from a request to its deadline."
)
@click.option("--maximum-window", type=click.IntRange(1), help="Most seconds from a request to its deadline.")
@click.option(
    "--supplement-window",
    type=click.IntRange(0),
    help="Seconds after a certificate in which precommits can be added; shares are claimed afterwards.",
)
@click.option(
    "--longest-pause",
    type=click.IntRange(0),
    help="Seconds by which pauses move the deadlines of tasks at most.",
)
@click.option(
    "--upgrade-delay",
    type=click.IntRange(0),
    help="Seconds from the proposal of an upgrade, or of another penalty, to its execution.",
)
@click.option(
    "--activation-epochs",
    type=click.IntRange(0),
    help="Epochs from a model's registration to its first task.",
)
@click.option(
    "--stake",
    type=click.Choice(["native", "eigenlayer"]),
    default="native",
    show_default=True,
    help="Deposits in the chain's coin, or stake that EigenLayer holds.",
)
@click.option("--allocation-manager", type=account_address, help="EigenLayer's AllocationManager.")
@click.option(
    "--strategy",
    "strategies",
    type=account_address,
    multiple=True,
    help="EigenLayer strategy whose shares count. Repeatable.",
)
@click.option("--metadata-uri", default="", help="What EigenLayer shows of the AVS (a JSON file's URL).")
@click.option(
    "--owner", type=account_address, help="Who proposes upgrades and is offered the contracts: a multisig."
)
@click.option("--guardian", type=account_address, help="Who can strike out cases of slashing.")
@with_rpc
@with_account
@json_option
def deploy(
    out: Path,
    force: bool,
    config: Path | None,
    stake: str,
    allocation_manager: bytes | None,
    strategies: tuple[bytes, ...],
    metadata_uri: str,
    owner: bytes | None,
    guardian: bytes | None,
    where: ChainOptions,
    who: AccountOptions,
    **given: int | None,
) -> None:
    """Put all contracts on a chain and write the deployment file.

    The gateway, and the adapter to EigenLayer, stand behind proxies. A timelock can upgrade them and set
    penalties; the account of --owner proposes to it. The deploying account is the owner of gateway and
    adapter until the account of --owner takes what it is offered (takeOwnership).
    """
    _check_target(out, force)
    source = who.payer()
    parameters = replace(
        _DEFAULTS if config is None else load_parameters(config),
        **{name: value for name, value in given.items() if value is not None},
    )
    restaking = _restaking(stake, allocation_manager, strategies, metadata_uri)
    if restaking is None:
        parameters.check()
    authority = Authority(owner, guardian)
    done: list[DeployedContract] = []

    async def work() -> Deployment:
        async with where.open_rpc() as endpoint, common.open_account(endpoint, source) as sender:
            progress(f"Deploying {len(NAMES)} contracts; waiting for them to be mined.")
            return await deploy_all(
                endpoint, sender, parameters, done.append, restaking=restaking, authority=authority
            )

    deployment = common.run(work)
    deployment.save(out)
    cost = sum(contract.receipt.cost for contract in done)
    content = deployment.to_json() | {
        "file": str(out),
        "gas": {_shown(contract): contract.receipt.gas_used for contract in done},
        "costWei": str(cost),
    }
    show(
        content,
        *(f"{_shown(c):<32} {address(c.address)}  {c.receipt.gas_used:>9,} gas" for c in done),
        f"chain {deployment.chain_id}, cost {ether(cost)}, written to {out}",
        *(() if owner is None else _offers(owner, deployment)),
    )


def _shown(contract: DeployedContract) -> str:
    if contract.implementation:
        return f"{contract.name} (implementation)"
    return f"{contract.name} (proxy)" if contract.name in UPGRADEABLE else contract.name


def _offers(owner: bytes, deployment: Deployment) -> list[str]:
    return [
        f"{name} is offered to {address(owner)}, which must call takeOwnership()"
        for name in owned_contracts(deployment)
    ]


def _restaking(
    stake: str, manager: bytes | None, strategies: tuple[bytes, ...], metadata_uri: str
) -> Restaking | None:
    if stake == "native":
        if manager is not None or strategies:
            raise UsageError(
                "--allocation-manager and --strategy are for restaked stake.", "Add --stake eigenlayer."
            )
        return None
    if manager is None or not strategies:
        raise UsageError(
            "--stake eigenlayer needs EigenLayer's addresses.",
            "Give --allocation-manager and at least one --strategy.",
        )
    if len(set(strategies)) != len(strategies):
        raise UsageError("A strategy is named twice.", "Name each strategy once.")
    return Restaking(manager, strategies, metadata_uri)


def _check_target(out: Path, force: bool) -> None:
    if out.exists() and not force:
        raise UsageError(
            f"The deployment file {out} exists already.",
            "Choose another --out, or give --force if nobody needs the old deployment any more.",
        )
    if not out.parent.is_dir():
        raise UsageError(f"There is no directory {out.parent}.", "Make it, or choose another --out.")
    try:
        with tempfile.TemporaryFile(dir=out.parent):  # before anything is paid
            pass
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}.", "Choose another --out.") from None
