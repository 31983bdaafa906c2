"""``p2pavs signer``: the reference remote signer, and the link that a node is given to it."""

from __future__ import annotations

import os
from pathlib import Path

import click

from p2pavs.cli import common
from p2pavs.cli.options import deployment_option, json_option, parse_amount, with_keys
from p2pavs.cli.output import address, show
from p2pavs.cli.sources import KeyOptions
from p2pavs.errors import UsageError

_file = click.Path(path_type=Path)


@click.group()
def signer() -> None:
    """Hold the keys of account and consensus on another machine than the node."""


@signer.command()
@click.option("--data", required=True, type=_file, help="The signer's own directory: what it signed.")
@click.option("--listen", default="127.0.0.1:4010", show_default=True, help="HOST:PORT for the node.")
@click.option("--tls-certificate", required=True, type=_file, help="The signer's certificate (PEM).")
@click.option("--tls-key", required=True, type=_file, help="Its key (PEM, not encrypted).")
@click.option("--client-ca", required=True, type=_file, help="Authority that vouches for the node (PEM).")
@click.option(
    "--max-value",
    type=parse_amount,
    default="0",
    show_default=True,
    help="ETH that one transaction may send along; a node needs none, a deposit of stake does.",
)
@deployment_option
@with_keys
@json_option
def run(
    data: Path,
    listen: str,
    tls_certificate: Path,
    tls_key: Path,
    client_ca: Path,
    max_value: int,
    deployment: Path | None,
    who: KeyOptions,
) -> None:
    """Run the signer until it is told to stop.

    It signs statements of one deployment, each slot once, whatever a node asks, and transactions to the
    deployment's contracts. Whoever holds a certificate of --client-ca may ask.

    \b
    Example:
      p2pavs signer run --keys keys --password-file password --data signer-data \\
        --deployment deployment.json --listen 192.0.2.9:4010 \\
        --tls-certificate signer.pem --tls-key signer.key --client-ca nodes-ca.pem
    """
    import trio

    from p2pavs.chain.deployment import Deployment
    from p2pavs.cli.node import stop_on_signal
    from p2pavs.log import configure
    from p2pavs.remote_signer.policy import Policy
    from p2pavs.remote_signer.server import ServerFiles, SignerService, serve_signer
    from p2pavs.storage import DataDirectory

    where = Deployment.load(common.required(deployment, "--deployment", "P2PAVS_DEPLOYMENT"))
    identity = who.identity()
    policy = Policy(where.chain_id, frozenset(where.contracts.values()), max_value)
    files = ServerFiles(tls_certificate, tls_key, client_ca)

    async def work() -> None:
        import structlog

        with DataDirectory(data) as directory:
            service = SignerService(identity, where.domain, policy, directory)
            async with trio.open_nursery() as nursery:
                await nursery.start(stop_on_signal, nursery.cancel_scope)
                url = await nursery.start(serve_signer, service, listen, files)
                structlog.get_logger().info("signer_ready", url=url, operator=address(identity.address))

    os.umask(0o077)
    configure()
    trio.run(work)


@signer.command()
@click.option("--out", "directory", required=True, type=_file, help="Key directory to make; must not exist.")
@click.option("--url", required=True, help="The signer's https://HOST:PORT.")
@click.option("--ca", required=True, type=_file, help="Authority that vouches for the signer (PEM).")
@click.option("--certificate", required=True, type=_file, help="The node's certificate (PEM).")
@click.option("--key", required=True, type=_file, help="Its key (PEM, not encrypted).")
@with_keys
@json_option
def link(directory: Path, url: str, ca: Path, certificate: Path, key: Path, who: KeyOptions) -> None:
    """Make a key directory for a node whose account and consensus key a signer holds.

    It gets the network key and the public facts of --keys, and no other secret. Give it to the node.

    \b
    Example:
      p2pavs signer link --keys keys --out node-keys --url https://192.0.2.9:4010 --ca signer-ca.pem \\
        --certificate node.pem --key node.key
    """
    from p2pavs.keystore.directory import IDENTITY_FILE, PEER_FILE, SIGNER_FILE
    from p2pavs.keystore.files import read_json, write_directory
    from p2pavs.remote_signer.link import SignerLink, check_url

    try:
        made = SignerLink(check_url(url), ca, certificate, key)
    except ValueError as error:
        raise UsageError(f"{str(error).capitalize()}.", "Give --url https://HOST:PORT.") from None
    made.tls()
    public = who.public()
    source = who.directory()
    names = (IDENTITY_FILE, PEER_FILE)
    write_directory(
        directory, {**{name: read_json(source / name) for name in names}, SIGNER_FILE: made.to_json()}
    )
    show(
        {"directory": str(directory), "address": address(public.address), "signer": made.url},
        f"{directory} is for a node of {address(public.address)}; {made.url} holds the keys.",
    )
