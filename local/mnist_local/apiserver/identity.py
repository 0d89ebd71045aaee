"""What clients know a server by: its CA, the key that signs tokens, and the administrator's token."""

from __future__ import annotations

import json
import secrets
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from mnist_local.apiserver.pki import issue, server_context, write_private


@dataclass(frozen=True, slots=True)
class Identity:
    """An identity of this server, new or the one that it had before."""

    context: ssl.SSLContext
    ca_pem: str
    admin_token: str = field(repr=False)
    signing_key: bytes = field(repr=False)


def load_or_make(host: str, folder: Path | None) -> Identity:
    """Return the identity that a folder holds, or a new one, which is left in the folder if one is given.

    Raises:
        OSError: the folder cannot be read or written.
    """
    path = folder / "identity.json" if folder else None
    if path is not None and path.exists():
        kept = json.loads(path.read_text())
    else:
        ca_pem, server_pem = issue(host)
        kept = {
            "ca": ca_pem, "server": server_pem,
            "adminToken": secrets.token_urlsafe(32), "signingKey": secrets.token_hex(32),
        }  # fmt: skip
        if path is not None:
            write_private(path, json.dumps(kept))
    return Identity(server_context(kept["server"]), kept["ca"], kept["adminToken"], bytes.fromhex(kept["signingKey"]))
