"""What an API server's refusal or silence means, in one sentence that says what to do.

TLS is where most of a connection goes wrong, so that is looked into before it is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Any

from mnist_client.errors import (
    ConnectionFailedError,
    MnistError,
    NotAllowedError,
    NotFoundError,
    RefusedError,
    UnauthenticatedError,
)
from mnist_kube.connection import Connection
from mnist_kube.errors import NO_CREDENTIALS, ApiError

_HANDSHAKE_PATIENCE_S = 5.0
# OpenSSL's codes of X509_verify_cert_error_string.
_NOT_YET, _EXPIRED, _OTHER_NAME, _OTHER_ADDRESS = 9, 10, 62, 64
_PLAIN_ANSWERS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNEXPECTED_MESSAGE")
# What Go's servers answer in plain HTTP on a TLS port.
_PLAIN_TO_TLS = "Client sent an HTTP request to an HTTPS server"


async def explained(error: ApiError, connection: Connection) -> MnistError:
    """Return what to raise instead of an ApiError. May ask the server for its certificate."""
    if error.not_reached:
        return await _unreachable(connection, error.__cause__ or error)
    return refused(error, connection)


def refused(error: ApiError, connection: Connection) -> MnistError:
    """Return what a refusal means; of a server that was reached."""
    said = one_line(error.message)
    if _PLAIN_TO_TLS in error.message:
        return _speaks_tls(connection)
    if error.reason == NO_CREDENTIALS:
        return UnauthenticatedError(said)
    if error.status == 401:
        return UnauthenticatedError(
            f"{connection.server} does not accept these credentials: log in anew, or name others"
        )
    if error.status == 403:
        return NotAllowedError(f"{said}: ask for the role view (to look) or edit (to change) in that namespace")
    if error.not_found and not is_served(error):
        return NotFoundError(
            f"{connection.server} does not know MnistTrainings: install the operator's chart there "
            "(docs/guides/install.md)"
        )
    if error.not_found:
        return NotFoundError(said)
    if error.may_pass:
        return MnistError(said, may_pass=True)
    return RefusedError(said)


def is_served(error: ApiError) -> bool:
    """Whether a 404 is about an object, and not about a kind that the server does not serve."""
    return error.reason == "NotFound" and "could not find the requested resource" not in error.message


def one_line(text: str) -> str:
    """Return a text without its line breaks."""
    return " ".join(text.split())


async def _unreachable(connection: Connection, error: BaseException) -> MnistError:
    """What to tell of a connection that failed. TLS is the user's to mend, the rest may pass by itself."""
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _not_reached(connection, await _about_certificate(connection, error.certificate_error))
    if isinstance(error, aiohttp.ClientConnectorSSLError) and any(sign in str(error) for sign in _PLAIN_ANSWERS):
        return _not_reached(connection, "it does not speak TLS: write http:// in the kubeconfig's server")
    if connection.server.startswith("http:") and not connection.proxy and await _handshake(connection) is not None:
        return _speaks_tls(connection)
    return _not_reached(connection, one_line(str(error)) or "no answer in time", may_pass=True)


def _speaks_tls(connection: Connection) -> MnistError:
    return _not_reached(connection, "it speaks TLS: write https:// in the kubeconfig's server")


def _not_reached(connection: Connection, cause: str, *, may_pass: bool = False) -> MnistError:
    return ConnectionFailedError(f"{connection.server} cannot be reached: {cause}", may_pass=may_pass)


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
