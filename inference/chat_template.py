"""The manifest's template from the chat template that a GGUF file carries."""

from __future__ import annotations

from typing import NoReturn

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from inference.errors import ManifestError
from inference.gguf_header import GgufHeader
from inference.model import INPUT

_MAX_SOURCE = 64 * 1024
_REMEDY = "Give the text around the input with --template."


def chat_template(header: GgufHeader) -> tuple[str, bool] | None:
    """What the file's chat template puts around one message of a user, and whether it wants a first token.

    None if the file has none. Raises ManifestError where it fails. It is a program of whoever made the file:
    run this only in a process that can be stopped.
    """
    source = header.metadata.get("tokenizer.chat_template")
    if not isinstance(source, str) or not source:
        return None
    if len(source) > _MAX_SOURCE:
        raise ManifestError(f"the file's chat template is over {_MAX_SOURCE} characters. {_REMEDY}")
    machine = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    machine.globals["raise_exception"] = _refuse
    message = {"role": "user", "content": INPUT}
    try:
        text = machine.from_string(source).render(
            messages=[message], add_generation_prompt=True, bos_token="", eos_token=""
        )
    except (
        jinja2.TemplateError,
        TypeError,
        ValueError,
        ArithmeticError,
        LookupError,
        RecursionError,
    ) as error:
        raise ManifestError(f"the file's chat template fails: {type(error).__name__}. {_REMEDY}") from None
    if text.count(INPUT) != 1:
        raise ManifestError(f"the file's chat template does not hold the message exactly once. {_REMEDY}")
    return text, "bos_token" in source


def _refuse(message: object) -> NoReturn:
    raise jinja2.TemplateError(str(message))
