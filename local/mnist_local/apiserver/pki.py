"""Certificates of the local server, and the kubeconfig that trusts them."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme
import yaml


@dataclass(frozen=True, slots=True)
class Pki:
    """The server's TLS context and the PEM text of the CA that signed its certificate."""

    context: ssl.SSLContext
    ca_pem: str


def make_pki(host: str) -> Pki:
    """Make a CA and a server certificate for loopback names and the host; keys stay in memory."""
    ca = trustme.CA(organization_name="mnist-local", organization_unit_name="embedded API server")
    names = dict.fromkeys(["127.0.0.1", "localhost", "::1", "kubernetes.default.svc", host])
    certificate = ca.issue_cert(*names)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    certificate.configure_cert(context)
    return Pki(context, ca.cert_pem.bytes().decode())


def kubeconfig(url: str, ca_pem: str, token: str, namespace: str = "default") -> str:
    """Return a kubeconfig of one cluster, one user and one context, named `mnist-local`."""
    import base64

    name = "mnist-local"
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": name,
                    "cluster": {
                        "server": url,
                        "certificate-authority-data": base64.b64encode(ca_pem.encode()).decode(),
                    },
                }
            ],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": namespace}}],
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
