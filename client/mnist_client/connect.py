"""Which cluster a client talks to, and who it is there: a kubeconfig, the pod that it runs in, or what it is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mnist_client.errors import ConnectionFailedError
from mnist_kube.connection import Connection, from_entries
from mnist_kube.kubeconfig import KubeconfigError, load


@dataclass(frozen=True)
class Origin:
    """What a connection is made of, so that it can be made again when its credentials have run out.

    With a `server` nothing else is looked at but `token` and `ca`; a `ca` is the text of a PEM file, or its path.
    """

    kubeconfig: Path | None = None
    context: str | None = None
    server: str | None = None
    token: str | None = None
    ca: str | Path | None = None

    def connection(self) -> Connection:
        """Return the connection. May run a plugin of the kubeconfig. Raises ConnectionFailedError."""
        if self.server is None:
            try:
                found = load(self.kubeconfig, self.context)
            except KubeconfigError as error:
                raise ConnectionFailedError(str(error)) from None
            return found.with_token(self.token.strip()) if self.token else found
        if not self.server.startswith(("https://", "http://")):
            raise ConnectionFailedError(
                f"server is {self.server!r}, and has to be a URL, such as https://{self.server}"
            )
        try:
            return from_entries(self._cluster(), {"token": (self.token or "").strip()}, Path())
        except (OSError, ValueError) as error:
            raise ConnectionFailedError(f"the authority (ca) of {self.server} cannot be read: {error}") from None

    def _cluster(self) -> dict[str, object]:
        if self.ca is None:
            return {"server": self.server}
        if isinstance(self.ca, str) and "-----BEGIN" in self.ca:
            import base64

            return {"server": self.server, "certificate-authority-data": base64.b64encode(self.ca.encode()).decode()}
        return {"server": self.server, "certificate-authority": str(Path(self.ca).absolute())}
