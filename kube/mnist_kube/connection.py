"""Where an API server is, how it is trusted, and who we are there: nothing that needs a network.

A connection is a value. `mnist_kube.kubeconfig` makes one from files or from the pod that we run in; `transport` opens
it, and swaps it for another when a token has run out or the server was started anew.
"""

from __future__ import annotations

import base64
import ssl
import tempfile
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class Connection:
    """Address, trust and identity of an API server."""

    server: str
    """URL without a slash at its end."""
    ca_pem: str = field(default="", repr=False)
    """The authorities that the server's certificate is checked with; empty: those of this machine."""
    insecure: bool = False
    """Whether the server's certificate is not checked."""
    token: str = field(default="", repr=False)
    token_file: Path | None = None
    """Has the token, and another one when that runs out; wins over `token`."""
    client_pem: bytes = field(default=b"", repr=False)
    """Certificate and key of a client certificate."""
    proxy: str | None = None
    server_name: str | None = None
    """Whom the server's certificate is for, where that is not the address."""
    namespace: str = "default"
    renewable: bool = False
    """Whether reading the configuration again may give other credentials."""
    impersonate: tuple[str, ...] = ()
    """Whom we act as, with the right to do so: a user's name, then the names of the groups."""

    @property
    def host(self) -> str:
        """Host name or address of the API server."""
        return urlsplit(self.server).hostname or ""

    @property
    def port(self) -> int:
        """Port of the API server."""
        parts = urlsplit(self.server)
        return parts.port or (443 if parts.scheme == "https" else 80)

    @cached_property
    def ssl_context(self) -> ssl.SSLContext | None:
        """How TLS is done; None for plain HTTP."""
        if not self.server.startswith("https:"):
            return None
        context = ssl.create_default_context(cadata=self.ca_pem or None)
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.client_pem:
            with tempfile.TemporaryDirectory() as private:  # 0700; the ssl module reads key pairs from files only
                pem = Path(private) / "pair.pem"
                pem.write_bytes(self.client_pem)
                context.load_cert_chain(pem)
        return context

    def present_token(self) -> str:
        """Return the token as it is now; empty for none. Raises OSError for an unreadable file."""
        return self.token_file.read_text().strip() if self.token_file is not None else self.token

    def with_token(self, token: str) -> Connection:
        """Return the same server as somebody else sees it, trusted by the same context: that costs most."""
        other = replace(self, token=token, token_file=None, client_pem=b"", renewable=False)
        if not self.client_pem:  # else the context holds who we are
            other.__dict__["ssl_context"] = self.ssl_context
        return other

    def acting_as(self, user: str, groups: Iterable[str] = ()) -> Connection:
        """Return the same server as `user` sees it; the API server asks whether we may impersonate."""
        return replace(self, impersonate=(user, *groups))

    def same_endpoint(self, other: Connection) -> bool:
        """Whether open connections of one serve the other, too: they differ in the token at most."""
        return replace(self, **_IDENTITY) == replace(other, **_IDENTITY)


_IDENTITY: dict[str, Any] = {"token": "", "token_file": None, "namespace": "", "renewable": False, "impersonate": ()}


def from_entries(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> Connection:
    """Return the connection of a kubeconfig's entries; relative files lie in `folder`.

    Raises OSError for an unreadable file and ValueError (also ssl.SSLError) for what is no certificate.
    """
    ca_pem = (_material(cluster, "certificate-authority", folder) or b"").decode()
    certificate, key = (_material(user, f"client-{part}", folder) for part in ("certificate", "key"))
    token_file = folder / str(user["tokenFile"]) if user.get("tokenFile") else None
    connection = Connection(
        server=str(cluster["server"]).rstrip("/"),
        ca_pem=ca_pem,
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        token=str(user.get("token") or ""),
        token_file=token_file,
        client_pem=certificate + b"\n" + key if certificate and key else b"",
        server_name=cluster.get("tls-server-name") or None,
        renewable=token_file is not None,
    )
    _ = connection.ssl_context, connection.present_token()  # complain at once
    return replace(connection, proxy=cluster.get("proxy-url") or _proxy_of_environment(connection))


def in_cluster(env: Mapping[str, str], folder: Path | None = None) -> Connection | None:
    """Return the connection of the pod that we run in, or None where we are in none.

    By hand, for the Kubernetes client's `load_config` warns on stderr whenever a process is where it belongs: in a pod.
    """
    folder = folder or SERVICE_ACCOUNT
    host, token = env.get("KUBERNETES_SERVICE_HOST"), folder / "token"
    if not host or not token.is_file():
        return None
    host = f"[{host}]" if ":" in host else host
    cluster = {
        "server": f"https://{host}:{env.get('KUBERNETES_SERVICE_PORT', '443')}",
        "certificate-authority": str(folder / "ca.crt"),
    }
    connection = from_entries(cluster, {"tokenFile": str(token)}, folder)
    return replace(connection, namespace=(folder / "namespace").read_text().strip() or "default")


def _material(entry: Mapping[str, Any], key: str, folder: Path) -> bytes | None:
    """The PEM blocks in `<key>-data` (base64), or in the file that `<key>` names, without a comment before them."""
    if data := entry.get(f"{key}-data"):
        found = base64.b64decode(str(data))
    elif path := entry.get(key):
        found = (folder / str(path)).read_bytes()
    else:
        return None
    return found[max(0, found.find(b"-----BEGIN")) :]


def _proxy_of_environment(connection: Connection) -> str | None:
    if urllib.request.proxy_bypass(connection.host):
        return None
    return urllib.request.getproxies().get(connection.server.partition(":")[0]) or None
