"""Defect 1, before any protocol is agreed on: lines of multistream-select.

Stock behaviour: a line that is not UTF-8 raises past every handler, and a line may announce any length, which
is then read into memory, even by somebody who has not yet proved an identity. Mended: at most 1 KiB, and both
cases are an ordinary failed negotiation.
"""

from __future__ import annotations

from typing import Any

from libp2p.exceptions import ParseError
from libp2p.io.exceptions import IOException
from libp2p.protocol_muxer.exceptions import MultiselectCommunicatorError
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from libp2p.utils.varint import read_varint_prefixed_bytes_limited

from p2pavs.network.mends.patching import replace

MAX_LINE = 1024  # bytes; protocol names are tens of bytes


def apply() -> None:
    """Cap negotiation lines and refuse those that are not text."""

    async def read(self: Any) -> str:
        try:
            line = await read_varint_prefixed_bytes_limited(self.read_writer, MAX_LINE)
            if not line.endswith(b"\n"):
                raise ParseError("the negotiation line does not end in a newline")
            return line[:-1].decode()
        except (ParseError, IOException, UnicodeDecodeError) as error:
            raise MultiselectCommunicatorError("fail to read from multiselect communicator") from error

    replace(MultiselectCommunicator, "read", read)
