"""What clients know a server by: its certificate and CA, the administrator's token, the kubeconfig that holds both."""

from __future__ import annotations

import base64
import json
import os
import secrets
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import trustme
import yaml


@dataclass(frozen=True, slots=True)
class Identity:
    """An identity of this server, new or the one that it had before."""

    context: ssl.SSLContext
    ca_pem: str
    admin_token: str = field(repr=False)
    signing_key: bytes = field(repr=False)


def load_or_make(folder: Path | None) -> Identity:
    """Return the identity that a folder holds, or a new one, which is left in the folder if one is given.

    Raises:
        OSError: the folder cannot be read or written.
    """
    path = folder / "identity.json" if folder else None
    if path is not None and path.exists():
        kept = json.loads(path.read_text())
    else:
        # The CA's key is forgotten: it signs nothing else.
        ca = trustme.CA(organization_name="mnist-local", organization_unit_name="embedded API server")
        names = ("127.0.0.1", "localhost", "kubernetes.default.svc")
        kept = {
            "ca": ca.cert_pem.bytes().decode(),
            "server": ca.issue_cert(*names).private_key_and_cert_chain_pem.bytes().decode(),
            "adminToken": secrets.token_urlsafe(32), "signingKey": secrets.token_hex(32),
        }  # fmt: skip
        if path is not None:
            write_private(path, json.dumps(kept))
    return Identity(_tls_context(kept["server"]), kept["ca"], kept["adminToken"], bytes.fromhex(kept["signingKey"]))


def _tls_context(server_pem: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # Python reads them from files alone
        file.write(server_pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def kubeconfig(url: str, ca_pem: str, token: str, namespace: str = "default") -> str:
    """Return a kubeconfig of one cluster, one user and one context, named `mnist-local`."""
    name = "mnist-local"
    cluster = {"server": url, "certificate-authority-data": base64.b64encode(ca_pem.encode()).decode()}
    context = {"cluster": name, "user": name, "namespace": namespace}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": name, "context": context}],
            "current-context": name,
        },
        sort_keys=False,
    )


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
