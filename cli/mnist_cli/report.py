"""`mnistctl report`: fetch the report of a finished training from its store."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from mnist_cli.cluster import Where, in_cluster
from mnist_cli.options import Context, Kubeconfig, Name, Namespace, SeenFrom
from mnist_cli.running import CommandError

if TYPE_CHECKING:
    from mnist_client import AsyncClient

_REPORT = "report.html"


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
    request = _Request(name, output, show)
    in_cluster(Where(kubeconfig, context, namespace, endpoint), lambda client: _report(client, request))


class _Request(NamedTuple):
    """What the user asked for."""

    name: str
    output: Path | None = None
    open: bool = False


async def _report(client: AsyncClient, request: _Request) -> int:
    """Write the report to a file, say where, and open it if asked to; returns the exit code.

    Raises CommandError or MnistError with one line.
    """
    from mnist_client.threads import in_thread

    training = await client.get(request.name)
    if not (training.object.get("status") or {}).get("result", {}).get("report"):
        why = f"{training.phase}: {training.progress.message}" if training.progress.message else training.phase
        raise CommandError(f"{training.name} has no report ({why}); it is made when a training succeeds", 1)
    result = await client.result(training)
    data = await result.read(_REPORT)
    if request.output == Path("-"):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return 0
    path = _write(request, data)
    print(f"{path}  ({len(data):,} bytes, from {result.address(_REPORT)})", flush=True)
    if request.open and not await in_thread(_show, path):
        raise CommandError(f"no browser was found: open {path} yourself", 1)
    return 0


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
