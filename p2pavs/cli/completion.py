"""``p2pavs completion``: what makes a shell complete p2pavs' commands and options."""

from __future__ import annotations

import click

from p2pavs.cli.options import json_option
from p2pavs.cli.output import show

VARIABLE = "_P2PAVS_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@json_option
def completion(shell: str) -> None:
    """Print the script that makes SHELL complete commands, options and values.

    \b
    Examples:
      p2pavs completion bash > ~/.local/share/bash-completion/completions/p2pavs
      p2pavs completion zsh > "${fpath[1]}/_p2pavs"
      p2pavs completion fish > ~/.config/fish/completions/p2pavs.fish
    """
    from click.shell_completion import get_completion_class

    from p2pavs.cli.main import root

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    maker = found(root, {}, "p2pavs", VARIABLE)
    script = maker.source_template % maker.source_vars()
    show({"shell": shell, "script": script}, script)
