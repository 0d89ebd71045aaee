"""Read from a kubeconfig what is needed to talk to its current context's cluster."""

import base64
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from mnist_local.kuberay.json_types import Json


class KubeconfigError(ValueError):
    """The file is missing a part that is needed."""


@dataclass(frozen=True)
class Connection:
    """Address, trust and identity of an API server."""

    server: str
    ssl: ssl.SSLContext | None
    ca_pem: str
    headers: dict[str, str] = field(repr=False)
    proxy: str | None = None
    server_name: str | None = None
    """Whom the server's certificate is for, where that is not the address."""
    user_agent: str = "mnist-local-kuberay"

    @property
    def host(self) -> str:
        """Host name or address of the API server."""
        return urlsplit(self.server).hostname or ""

    @property
    def port(self) -> int:
        """Port of the API server."""
        parts = urlsplit(self.server)
        return parts.port or (443 if parts.scheme == "https" else 80)


def _entry(config: Json, section: str, kind: str, name: str) -> Json:
    for entry in config.get(section) or []:
        if entry.get("name") == name:
            found: Json = entry.get(kind) or {}
            return found
    raise KubeconfigError(f"the kubeconfig has no {kind} named {name!r}")


def _material(entry: Json, key: str, folder: Path) -> bytes | None:
    """The bytes of `<key>-data` (base64) or of the file that `<key>` names, relative to the kubeconfig."""
    if data := entry.get(f"{key}-data"):
        return base64.b64decode(str(data))
    if path := entry.get(key):
        return (folder / str(path)).read_bytes()
    return None


def load(path: Path) -> Connection:
    """Connection of the current context. Knows CA, bearer token, token file and client certificate.

    Raises KubeconfigError for a broken file and OSError for an unreadable one.
    """
    config = yaml.safe_load(path.read_text())
    if not isinstance(config, dict) or not config.get("current-context"):
        raise KubeconfigError(f"{path} is not a kubeconfig with a current-context")
    context = _entry(config, "contexts", "context", config["current-context"])
    cluster = _entry(config, "clusters", "cluster", context["cluster"])
    user = _entry(config, "users", "user", context["user"]) if context.get("user") else {}
    return connection(cluster, user, path.parent)


def connection(cluster: Json, user: Json, folder: Path) -> Connection:
    """Connection from the entries of a kubeconfig that lies in `folder`. Raises OSError for unreadable files."""
    ca_pem = (_material(cluster, "certificate-authority", folder) or b"").decode()
    headers: dict[str, str] = {}
    token = user.get("token")
    if token_file := user.get("tokenFile"):
        token = (folder / token_file).read_text().strip()
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return Connection(cluster["server"].rstrip("/"), _ssl(cluster, user, ca_pem, folder), ca_pem, headers)


def _ssl(cluster: Json, user: Json, ca_pem: str, folder: Path) -> ssl.SSLContext | None:
    if not cluster["server"].startswith("https:"):
        return None
    context = ssl.create_default_context(cadata=ca_pem or None)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate = _material(user, "client-certificate", folder)
    key = _material(user, "client-key", folder)
    if certificate and key:
        with tempfile.TemporaryDirectory() as private:  # 0700; the ssl module reads key pairs from files only
            pem = Path(private) / "pair.pem"
            pem.write_bytes(certificate + b"\n" + key)
            context.load_cert_chain(pem)
    return context
