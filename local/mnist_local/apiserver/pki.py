"""Certificates of the local server, and the kubeconfig that trusts them."""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path

import trustme
import yaml


def issue(host: str) -> tuple[str, str]:
    """Make a CA, whose key is forgotten, and a server's key and certificate for loopback names and the host, as PEM."""
    ca = trustme.CA(organization_name="mnist-local", organization_unit_name="embedded API server")
    names = dict.fromkeys(["127.0.0.1", "localhost", "::1", "kubernetes.default.svc", host])
    certificate = ca.issue_cert(*names)
    return ca.cert_pem.bytes().decode(), certificate.private_key_and_cert_chain_pem.bytes().decode()


def server_context(server_pem: str) -> ssl.SSLContext:
    """Return a server's TLS context of its key and certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # Python reads them from files alone
        file.write(server_pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context


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
