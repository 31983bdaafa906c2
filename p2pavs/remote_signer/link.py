"""Where a remote signer is, and with which certificates the node and it know each other."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from p2pavs.errors import UsageError

MAX_URL = 256


@dataclass(frozen=True, slots=True)
class SignerLink:
    """The address of a signer, the authority that vouches for it, and the node's own certificate."""

    url: str
    ca: Path
    certificate: Path
    key: Path

    @classmethod
    def from_json(cls, content: dict[str, Any], directory: Path) -> SignerLink:
        """Read ``signer.json``; relative paths are relative to its directory. Raises ``ValueError``."""
        if set(content) != {"url", "ca", "certificate", "key"}:
            raise ValueError("it should hold url, ca, certificate and key")
        if not all(isinstance(value, str) and value for value in content.values()):
            raise ValueError("url, ca, certificate and key should be texts")
        return cls(
            check_url(content["url"]), *(directory / content[name] for name in ("ca", "certificate", "key"))
        )

    def to_json(self) -> dict[str, str]:
        """Return the content of ``signer.json``."""
        return {
            "url": self.url,
            "ca": str(self.ca.absolute()),
            "certificate": str(self.certificate.absolute()),
            "key": str(self.key.absolute()),
        }

    def tls(self) -> ssl.SSLContext:
        """Return the TLS settings of the node's side. Raises ``UsageError``."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        load_certificates(context, self.ca, self.certificate, self.key)
        return context


def check_url(url: str) -> str:
    """Return an https URL without path, query or user. Raises ``ValueError``."""
    parts = urlsplit(url)
    bare = not (parts.path.strip("/") or parts.query or parts.fragment or parts.username)
    if len(url) > MAX_URL or parts.scheme != "https" or not parts.hostname or not bare:
        raise ValueError("the signer's url should be https://HOST:PORT and no more")
    return url.rstrip("/")


def load_certificates(context: ssl.SSLContext, ca: Path, certificate: Path, key: Path) -> None:
    """Load an authority and a certificate with its key. Raises ``UsageError``, which names the file."""
    path = ca
    try:
        context.load_verify_locations(cafile=ca)
        path = certificate
        context.load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        raise UsageError(
            f"The certificate file {path} (or its key) cannot be used: {error.reason or 'no PEM file'}.",
            "Give PEM files: the authority's certificate, and a certificate with its key, not encrypted.",
        ) from None
    except OSError as error:
        missing = path if not path.exists() else key
        raise UsageError(
            f"The certificate file {missing} cannot be read: {error.strerror}.", "Check its path and owner."
        ) from None
