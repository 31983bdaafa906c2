"""What is wrong with a setting, as far as this machine alone can tell."""

from __future__ import annotations

import stat
from pathlib import Path

from p2pavs.chain.http_endpoint import BadUrl, Place
from p2pavs.errors import P2pavsError


def problem(name: str, value: str) -> str:
    """Return what is wrong with a setting, empty where nothing is."""
    try:
        match name:
            case "rpc":
                Place.of(value)
            case "nodes":
                for url in value.split(", "):
                    Place.of(url)
            case "deployment":
                from p2pavs.chain.deployment import Deployment

                Deployment.load(Path(value))
            case "keys":
                from p2pavs import keystore

                keystore.load_public(Path(value))
            case "password_file":
                return _password_problem(Path(value))
            case "models" if Path(value).exists() and not Path(value).is_dir():
                return "it is no directory"
    except P2pavsError as error:
        return error.message.rstrip(".")
    except BadUrl as error:
        return f"it is no http URL: {error}"
    return ""


def node_problem(name: str, values: tuple[str, ...], models: Path | None) -> str:
    """The same for an option of the node, whose type is known to be right."""
    from inference.errors import InferenceError
    from inference.model_store import resolve
    from p2pavs.api.serving import host_and_port
    from p2pavs.cli.model_files import open_store
    from p2pavs.network.addresses import parse_announce, parse_bootstrap, parse_listen
    from p2pavs.openai_api.config import EndpointConfig

    try:
        match name:
            case "listen":
                parse_listen(values[0])
            case "announce":
                parse_announce(values)
            case "bootstrap":
                parse_bootstrap(values)
            case "api":
                host_and_port(values[0])
            case "model":
                for path in (resolve(value, open_store(models).directory) for value in values):
                    if not path.is_file():
                        return f"there is no file {path}"
            case "openai":
                EndpointConfig.load(Path(values[0]))
    except P2pavsError as error:
        return error.message.rstrip(".")
    except (InferenceError, ValueError) as error:
        return str(error)
    return ""


def _password_problem(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
        return "it is no file"
    return "others can read it: chmod 600" if mode & 0o077 else ""
