"""Why an API server cannot be reached, in a sentence that says what to do: TLS first, where most of it goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Any

import aiohttp

from mnist_cli.errors import CommandError
from mnist_cli.trainings.objects import one_line
from mnist_kube.connection import Connection

_PATIENCE_S = 5.0
# OpenSSL's codes of X509_verify_cert_error_string.
_NOT_YET, _EXPIRED, _OTHER_NAME, _OTHER_ADDRESS = 9, 10, 62, 64
_PLAIN_ANSWERS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNEXPECTED_MESSAGE")
PLAIN_TO_TLS = "Client sent an HTTP request to an HTTPS server"
"""What Go's servers answer in plain HTTP on a TLS port."""


async def unreachable(connection: Connection, error: BaseException) -> CommandError:
    """What to tell of a connection that failed. TLS is the user's to mend, the rest may pass by itself."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _error(connection, await _certificate(connection, error.certificate_error), 2)
    if isinstance(error, aiohttp.ClientConnectorSSLError) and any(sign in str(error) for sign in _PLAIN_ANSWERS):
        return _error(connection, "it does not speak TLS: write http:// in the kubeconfig's server", 2)
    if connection.server.startswith("http:") and not connection.proxy and await _handshake(connection) is not None:
        return speaks_tls(connection)
    return _error(connection, one_line(str(error)) or "no answer in time", 1)


def speaks_tls(connection: Connection) -> CommandError:
    """What to tell of an https port that was asked by http."""
    return _error(connection, "it speaks TLS: write https:// in the kubeconfig's server", 2)


def _error(connection: Connection, cause: str, exit_code: int) -> CommandError:
    return CommandError(f"{connection.server} cannot be reached: {cause}", exit_code)


async def _certificate(connection: Connection, error: Exception) -> str:
    code = getattr(error, "verify_code", None)
    if code in (_OTHER_NAME, _OTHER_ADDRESS):
        held = await _names(connection)
        return (
            f"its certificate is for {', '.join(held) or 'another name'}, and not for "
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


async def _names(connection: Connection) -> list[str]:
    """The names a server's certificate holds, of one that is trusted but for its name."""
    if connection.ssl_context is None or connection.proxy:
        return []
    connection.ssl_context.check_hostname = False
    certificate = await _handshake(connection, connection.ssl_context)
    return [name for _, name in (certificate or {}).get("subjectAltName", ())]


async def _handshake(connection: Connection, context: ssl.SSLContext | None = None) -> dict[str, Any] | None:
    """Greet a server by TLS; returns what its certificate says (nothing without a context), None where TLS fails."""
    if context is None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            _, writer = await asyncio.open_connection(connection.host, connection.port, ssl=context)
        certificate = writer.get_extra_info("peercert") or {}
        writer.transport.abort()
        return dict(certificate)
    return None
