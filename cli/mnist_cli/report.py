"""`mnistctl report`: fetch the report of a finished training from its store."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from mnist_cli.cluster import Session, Where, in_cluster
from mnist_cli.options import Context, Kubeconfig, Name, Namespace, SeenFrom
from mnist_cli.running import CommandError
from mnist_kube.errors import ApiError
from mnist_kube.resources import SECRETS
from mnist_trainer.errors import StoreAccessDeniedError, TrainerError

if TYPE_CHECKING:
    from mnist_trainer.store import S3Address, StoreSettings

_MOST_BYTES = 256 << 20


def report(
    name: Name,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Default: NAME-report.html; - is stdout.")
    ] = None,
    endpoint: SeenFrom = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Fetch the report of a finished training from its store.

    Credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, else the training's own Secret if you may read it.
    """
    request = _Request(name, output, show, endpoint)
    in_cluster(Where(kubeconfig, context, namespace), lambda session: _report(session, request))


class _Request(NamedTuple):
    """What the user asked for. `endpoint` wins over whatever else names the store."""

    name: str
    output: Path | None = None
    open: bool = False
    endpoint: str | None = None


async def _report(session: Session, request: _Request) -> int:
    """Write the report to a file, say where, and open it if asked to; returns the exit code.

    Raises CommandError or TrainerError with one line.
    """
    from mnist_client.threads import in_thread

    training = await session.training(request.name)
    address = _address(training)
    data = await _fetch(session, training, address, request.endpoint)
    if request.output == Path("-"):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return 0
    path = _write(request, data)
    print(f"{path}  ({len(data):,} bytes, from {address})", flush=True)
    if request.open and not await in_thread(_show, path):
        raise CommandError(f"no browser was found: open {path} yourself", 1)
    return 0


def _address(training: dict[str, Any]) -> S3Address:
    from mnist_trainer.store import S3Address

    name, status = training["metadata"]["name"], training.get("status") or {}
    uri = (status.get("result") or {}).get("report")
    if not uri:
        phase = status.get("phase") or "Pending"
        why = f"{phase}: {status.get('message')}" if status.get("message") else phase
        raise CommandError(f"{name} has no report ({why}); it is made when a training succeeds", 1)
    return S3Address.parse(str(uri))


async def _fetch(session: Session, training: dict[str, Any], address: S3Address, endpoint: str | None) -> bytes:
    """Read with the environment's credentials; without such, or refused, with the training's own, from the API."""
    from mnist_trainer.store import StoreSettings

    env = os.environ
    named = endpoint or env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL")
    refused: TrainerError | None = None
    if env.get("AWS_ACCESS_KEY_ID"):
        spec = training["spec"].get("storage") or {}
        try:
            return await _read(StoreSettings.from_env(env, named or spec.get("endpoint")), address)
        except StoreAccessDeniedError as error:
            refused = error
    secret = f"{training['metadata']['name']}-storage"
    values = await _secret(session, secret)
    if values is None:
        if refused:
            raise refused
        raise CommandError(
            "no storage credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (you may not read Secret "
            f"{session.namespace}/{secret}, or it is gone)"
        )
    return await _read(StoreSettings.from_env(values, endpoint or env.get("AWS_ENDPOINT_URL")), address)


async def _read(settings: StoreSettings, address: S3Address) -> bytes:
    from mnist_client.threads import in_thread
    from mnist_trainer.store import ObjectStore

    return await in_thread(lambda: ObjectStore(settings).get_bytes(address, _MOST_BYTES))


async def _secret(session: Session, name: str) -> Mapping[str, str] | None:
    import base64

    try:
        secret = await session.api.get(SECRETS.path(session.namespace, name))
    except ApiError as error:
        if error.status in (403, 404):
            return None
        raise
    return {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}


def _write(request: _Request, data: bytes) -> Path:
    import tempfile

    path = Path(f"{request.name}-report.html")
    if request.output:
        path = request.output / path if request.output.is_dir() else request.output
    try:
        if request.open and not request.output:
            path = Path(tempfile.mkdtemp(prefix="mnistctl-")) / path
        path.write_bytes(data)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None
    return path


def _show(path: Path) -> bool:
    import webbrowser

    return webbrowser.open(path.resolve().as_uri())
