"""TLS to the store, and what to say where it fails: other names in the certificate, the wrong scheme."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

import certifi

from mnist_trainer.errors import InvalidConfigError
from mnist_trainer.store.settings import StoreSettings

_PATIENCE = 5.0  # seconds for a look at the server that only makes a message better
# OpenSSL's codes of X509_verify_cert_error_string.
_NOT_YET, _EXPIRED, _OTHER_NAME, _OTHER_ADDRESS = 9, 10, 62, 64
_CA = "MNIST_STORAGE_CA_PEM or AWS_CA_BUNDLE (ca.crt of the credentials Secret)"


def tls_context(ca_pem: str | None) -> ssl.SSLContext:
    """Trusts the usual authorities, this machine's, and `ca_pem`. Raises InvalidConfigError for what is no PEM."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    if ca_pem:
        try:
            context.load_verify_locations(cadata=ca_pem)
        except (ssl.SSLError, ValueError) as error:
            raise InvalidConfigError(f"the store's CA certificate is not valid PEM: {error}") from None
    return context


def certificate_problem(error: ssl.SSLCertVerificationError, settings: StoreSettings | None, proxied: bool) -> str:
    """What is wrong with a server's certificate, and what to do."""
    if error.verify_code in (_OTHER_NAME, _OTHER_ADDRESS) and settings and settings.endpoint:
        host = urlsplit(settings.endpoint).hostname or ""
        held = [] if proxied else _names(settings.endpoint, tls_context(settings.ca_pem))
        return f"is for {', '.join(held) or 'another name'}, not for {host}: use one of its names in the endpoint"
    if error.verify_code in (_EXPIRED, _NOT_YET):
        return f"is {'expired' if error.verify_code == _EXPIRED else 'not valid yet'}, or this machine's clock is wrong"
    if settings and settings.ca_pem:
        return f"is not trusted ({error.verify_message}): it is not from the CA in {_CA}"
    return f"is not trusted ({error.verify_message}): give its CA in {_CA}"


def speaks_tls(endpoint: str) -> bool:
    """Whether a server answers a TLS greeting, whatever its certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return _greet(endpoint, context) is not None


def _names(endpoint: str, context: ssl.SSLContext) -> list[str]:
    """The names in a certificate that is trusted but for its name."""
    context.check_hostname = False
    return [name for _, name in (_greet(endpoint, context) or {}).get("subjectAltName", ())]


def _greet(endpoint: str, context: ssl.SSLContext) -> dict[str, Any] | None:
    """What the server's certificate says (nothing where it is not verified); None where TLS fails."""
    parts = urlsplit(endpoint)
    address = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    with (
        contextlib.suppress(OSError),
        socket.create_connection(address, _PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname=parts.hostname) as secured,
    ):
        return dict(secured.getpeercert() or {})
    return None
