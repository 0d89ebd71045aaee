"""The cluster that the options name: how a command talks to it, and what it says where that does not work.

A command hands `in_cluster` a function of a session. Whatever the API server refuses, or does not answer, ends the
command with one line that says what to do; TLS is where most of that goes wrong.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import typer

from mnist_cli.running import CommandError
from mnist_kube.errors import NO_CREDENTIALS, ApiError
from mnist_kube.resources import TRAININGS

if TYPE_CHECKING:
    import ssl

    from mnist_kube.client import KubeApi
    from mnist_kube.connection import Connection

MANAGER = "mnistctl"
"""The field manager of what this tool writes."""
_COMPLETION_PATIENCE_S = 2.0
_HANDSHAKE_PATIENCE_S = 5.0
# OpenSSL's codes of X509_verify_cert_error_string.
_NOT_YET, _EXPIRED, _OTHER_NAME, _OTHER_ADDRESS = 9, 10, 62, 64
_PLAIN_ANSWERS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNEXPECTED_MESSAGE")
# What Go's servers answer in plain HTTP on a TLS port.
_PLAIN_TO_TLS = "Client sent an HTTP request to an HTTPS server"


class Where(NamedTuple):
    """What the options say about the cluster and the namespace."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None


@dataclass
class Session:
    """The API of a cluster, and the namespace that is meant there; `named_namespace` if the user gave it."""

    api: KubeApi
    namespace: str
    named_namespace: str | None = None

    async def training(self, name: str) -> dict[str, Any]:
        """One training. Raises CommandError where there is none of that name."""
        try:
            return await self.api.get(TRAININGS.path(self.namespace, name))
        except ApiError as error:
            # A missing kind is answered with 404 too, but not with a name.
            if error.not_found and _is_served(error):
                raise CommandError(f"there is no MnistTraining {name!r} in namespace {self.namespace!r}") from None
            raise


def in_cluster(where: Where, work: Callable[[Session], Awaitable[int]], if_interrupted: str = "") -> NoReturn:
    """Do `work` with a cluster and end the command with its exit code; `if_interrupted` is said when a signal ends it.

    Raises typer.Exit, or CommandError with one line.
    """
    from mnist_cli.eventloop import InterruptedRunError, run
    from mnist_kube.kubeconfig import KubeconfigError, load

    try:
        connection = load(where.kubeconfig, where.context)
    except KubeconfigError as error:
        raise CommandError(str(error)) from None
    try:
        code = run(_connected(connection, where, work))
    except InterruptedRunError as interrupted:
        if if_interrupted:
            print(if_interrupted)
        code = interrupted.exit_code
    raise typer.Exit(code)


async def _connected(connection: Connection, where: Where, work: Callable[[Session], Awaitable[int]]) -> int:
    import asyncio

    from mnist_client.threads import in_thread
    from mnist_kube.client import KubeApi
    from mnist_kube.kubeconfig import load

    async def renew() -> Connection:
        return await in_thread(load, where.kubeconfig, where.context)

    api = KubeApi(connection, user_agent=MANAGER, renew=renew)
    try:
        return await work(Session(api, where.namespace or connection.namespace, where.namespace))
    except ApiError as error:
        if error.not_reached:
            raise await _unreachable(connection, error.__cause__ or error) from None
        raise explained(error, connection) from None
    finally:
        await api.close()
        await asyncio.sleep(0)  # lets aiohttp close its sockets before the loop ends


def explained(error: ApiError, connection: Connection) -> CommandError:
    """What a refusal of the API means, in one line."""
    if _PLAIN_TO_TLS in error.message:
        return _speaks_tls(connection)
    if error.reason == NO_CREDENTIALS:
        return CommandError(one_line(error.message))
    if error.status == 401:
        return CommandError(f"{connection.server} does not accept the kubeconfig's credentials")
    if error.not_found and not _is_served(error):
        return CommandError(
            f"{connection.server} does not know MnistTrainings: install the operator's chart there "
            "(docs/guides/install.md)"
        )
    return CommandError(one_line(error.message), 1 if error.may_pass else 2)


def _is_served(error: ApiError) -> bool:
    """Whether a 404 is about an object, and not about a kind that the server does not serve."""
    return error.reason == "NotFound" and "could not find the requested resource" not in error.message


async def _unreachable(connection: Connection, error: BaseException) -> CommandError:
    """What to tell of a connection that failed. TLS is the user's to mend, the rest may pass by itself."""
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _not_reached(connection, await _about_certificate(connection, error.certificate_error), 2)
    if isinstance(error, aiohttp.ClientConnectorSSLError) and any(sign in str(error) for sign in _PLAIN_ANSWERS):
        return _not_reached(connection, "it does not speak TLS: write http:// in the kubeconfig's server", 2)
    if connection.server.startswith("http:") and not connection.proxy and await _handshake(connection) is not None:
        return _speaks_tls(connection)
    return _not_reached(connection, one_line(str(error)) or "no answer in time", 1)


def _speaks_tls(connection: Connection) -> CommandError:
    return _not_reached(connection, "it speaks TLS: write https:// in the kubeconfig's server", 2)


def _not_reached(connection: Connection, cause: str, exit_code: int) -> CommandError:
    return CommandError(f"{connection.server} cannot be reached: {cause}", exit_code)


async def _about_certificate(connection: Connection, error: Exception) -> str:
    code = getattr(error, "verify_code", None)
    if code in (_OTHER_NAME, _OTHER_ADDRESS):
        names = await _names_of_certificate(connection)
        return (
            f"its certificate is for {', '.join(names) or 'another name'}, and not for "
            f"{connection.server_name or connection.host}: use one of its names as the server, or name one in the "
            "kubeconfig's tls-server-name"
        )
    if code in (_EXPIRED, _NOT_YET):
        when = "expired" if code == _EXPIRED else "not valid yet"
        return f"its certificate is {when}, or this machine's clock is wrong"
    said = getattr(error, "verify_message", None) or one_line(str(error))
    if connection.ca_pem:
        return f"its certificate is not from the authority in the kubeconfig's certificate-authority ({said})"
    return f"its certificate is not trusted ({said}): the kubeconfig's cluster needs its certificate-authority"


async def _names_of_certificate(connection: Connection) -> list[str]:
    """The names that a certificate holds, of a server that is trusted but for its name."""
    if connection.ssl_context is None or connection.proxy:
        return []
    connection.ssl_context.check_hostname = False
    certificate = await _handshake(connection, connection.ssl_context)
    return [name for _, name in (certificate or {}).get("subjectAltName", ())]


async def _handshake(connection: Connection, context: ssl.SSLContext | None = None) -> dict[str, Any] | None:
    """Greet a server by TLS; returns what its certificate says (nothing without a context), None where TLS fails."""
    import asyncio
    import contextlib
    import ssl

    if context is None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_HANDSHAKE_PATIENCE_S):
            _, writer = await asyncio.open_connection(connection.host, connection.port, ssl=context)
        certificate = writer.get_extra_info("peercert") or {}
        writer.transport.abort()
        return dict(certificate)
    return None


def training_names(options: dict[str, Any]) -> list[str]:
    """Names for shell completion, of the cluster that the options so far point at.

    None where it does not answer at once: a completion that complains is worse than none.
    """
    file = options.get("kubeconfig")
    where = Where(Path(file) if file else None, options.get("context"), options.get("namespace"))
    names: list[str] = []

    async def ask(session: Session) -> int:
        import asyncio

        async with asyncio.timeout(_COMPLETION_PATIENCE_S):
            found = await session.api.list(TRAININGS.path(session.namespace))
        names.extend(item["metadata"]["name"] for item in found.get("items") or [])
        return 0

    try:
        in_cluster(where, ask)
    except Exception:  # noqa: BLE001 - typer.Exit among them
        return names


def one_line(text: str) -> str:
    """A text without its line breaks."""
    return " ".join(text.split())
