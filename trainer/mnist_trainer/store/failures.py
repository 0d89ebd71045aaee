"""From whatever the client raises to an error with a reason, and whether trying again can help."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Iterator
from http.client import HTTPException
from urllib.parse import urlsplit
from xml.etree import ElementTree

from minio.error import InvalidResponseError, S3Error, ServerError
from urllib3 import exceptions as http

from mnist_trainer.errors import (
    BucketNotFoundError,
    CredentialsRefusedError,
    InvalidConfigError,
    ObjectNotFoundError,
    OutOfSpaceError,
    StoreAccessDeniedError,
    StoreUnreachableError,
    TrainerError,
)
from mnist_trainer.store.connection import proxy_for
from mnist_trainer.store.settings import StoreSettings
from mnist_trainer.store.tls import certificate_problem, speaks_tls

_DENIED = {
    "AccessDenied": "the credentials do not allow this",
    "AllAccessDisabled": "the credentials do not allow this",
    "AccountProblem": "there is a problem with the account",
    "AuthorizationHeaderMalformed": "the request's region or credentials are malformed, check AWS_REGION",
    "ExpiredToken": "the session token has expired",
    "InvalidAccessKeyId": "the access key is unknown there, check AWS_ACCESS_KEY_ID",
    "InvalidToken": "the session token is not valid",
    "InvalidTokenId": "the session token is not valid",
    "InvalidRegion": "the region is wrong, check AWS_REGION",
    "RequestTimeTooSkewed": "this machine's clock differs too much from the store's",
    "SignatureDoesNotMatch": "the secret key is wrong, check AWS_SECRET_ACCESS_KEY",
}
# The credentials themselves are refused, not what they were used for.
_UNKNOWN = {"ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "InvalidTokenId", "SignatureDoesNotMatch"}
_FULL = {
    "XMinioStorageFull",
    "QuotaExceeded",
    "XMinioAdminBucketQuotaExceeded",
    "InsufficientStorage",
    "ServiceQuotaExceeded",
}
_TRANSIENT_CODES = {
    "SlowDown",
    "InternalError",
    "ServiceUnavailable",
    "RequestTimeout",
    "OperationAborted",
    "XMinioServerNotInitialized",
}
_TRANSIENT_STATUS = {408, 425, 429, 500, 502, 503, 504}


class DamagedTransferError(Exception):
    """The bytes that arrived are not the bytes that were sent; another try can help."""


class StalledError(Exception):
    """The store keeps the connection open but (almost) nothing comes; another try can help."""


class Translator:
    """Names the store and what was being done there in every message.

    Given the `settings`, it looks at a server that answers oddly, so as to tell a certificate for another name and an
    endpoint that needs the other scheme.
    """

    def __init__(self, where: str, doing: str, settings: StoreSettings | None = None) -> None:
        self._where = where
        self._doing = doing
        self._settings = settings
        self._looked = False

    def __call__(self, exception: Exception) -> tuple[TrainerError, bool]:
        """The error for `exception`, and whether it is worth trying again."""
        if isinstance(exception, TrainerError):
            return exception, False
        if isinstance(exception, S3Error):
            return self._from_code(str(exception.code), getattr(exception.response, "status", 0), exception.message)
        if isinstance(exception, InvalidResponseError):
            # Some servers (rclone) send the XML without its content type, and the client then does not read it.
            code, said = _xml_error(exception._body)
            if code:
                return self._from_code(code, exception._code, said)
            return self._from_status(exception._code, "it answered with something other than S3", exception._body)
        if isinstance(exception, ServerError):
            return self._from_status(exception.status_code, "it gave no reason", None)
        if isinstance(exception, (DamagedTransferError, StalledError)):
            return self._unreachable(str(exception)), True
        return self._from_connection(exception)

    def _from_code(self, code: str, status: int, message: str | None) -> tuple[TrainerError, bool]:
        said = _one_line(message)
        if code == "NoSuchBucket":
            return BucketNotFoundError(f"the bucket does not exist in {self._where} ({self._doing})"), False
        if code in ("NoSuchKey", "NoSuchVersion", "ResourceNotFound"):
            return ObjectNotFoundError(f"no such object in {self._where} ({self._doing})"), False
        if code in _FULL or status == 507 or "no space left" in said.lower():
            return OutOfSpaceError(f"{self._where} is full ({self._doing}): {said or code}"), False
        if code in _DENIED:
            kind = CredentialsRefusedError if code in _UNKNOWN else StoreAccessDeniedError
            return kind(f"{self._where} refuses access ({self._doing}): {_DENIED[code]} [{code}]"), False
        if code in _TRANSIENT_CODES or status in _TRANSIENT_STATUS:
            return self._unreachable(f"it answers {code}: {said}" if said else f"it answers {code}"), True
        if status in (401, 403):
            return StoreAccessDeniedError(
                f"{self._where} refuses access ({self._doing}): {said or code} [{code}]"
            ), False
        if code == "BadRequest" and self._needs_tls():  # what the client makes of a HEAD's 400
            return self._tls_wanted()
        return InvalidConfigError(f"{self._where} refuses the request ({self._doing}): {said} [{code}]"), False

    def _from_status(self, status: int, detail: str, body: str | None) -> tuple[TrainerError, bool]:
        if status == 507 or (body and "no space left" in body.lower()):
            return OutOfSpaceError(f"{self._where} is full ({self._doing})"), False
        if status in _TRANSIENT_STATUS:
            return self._unreachable(f"it answers HTTP {status}"), True
        if status in (401, 403):
            return StoreAccessDeniedError(
                f"{self._where} refuses access ({self._doing}): HTTP {status}, {detail}"
            ), False
        if status == 400 and self._needs_tls():
            return self._tls_wanted()
        return InvalidConfigError(
            f"{self._where} is not an S3 endpoint ({self._doing}): HTTP {status}, {detail}; "
            "is it the port of the S3 API?"
        ), False

    def _from_connection(self, exception: Exception) -> tuple[TrainerError, bool]:
        causes = list(_causes(exception))
        for cause in causes:
            if isinstance(cause, ssl.SSLCertVerificationError):
                problem = certificate_problem(cause, self._settings, self._is_proxied())
                return InvalidConfigError(f"the certificate of {self._where} {problem}"), False
            if isinstance(cause, ssl.SSLError) and "WRONG_VERSION_NUMBER" in str(cause):
                return InvalidConfigError(
                    f"{self._where} does not speak TLS: is the endpoint http:// instead of https://?"
                ), False
            if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
                return OutOfSpaceError(f"no space left on this machine's disk ({self._doing})"), False
        # A server that was greeted in plain HTTP answers by a TLS alert, or closes the connection.
        if any(isinstance(cause, (HTTPException, ConnectionResetError)) for cause in causes) and self._needs_tls():
            return self._tls_wanted()
        if any(isinstance(cause, (http.HTTPError, OSError, ElementTree.ParseError)) for cause in causes):
            return self._unreachable(_cause_text(causes)), True
        if isinstance(exception, ValueError):
            # minio's own checks of names and sizes, and credentials that cannot be sent as headers.
            return InvalidConfigError(
                f"{self._where} cannot be asked for this ({self._doing}): {_one_line(str(exception))}"
            ), False
        return TrainerError(
            f"{type(exception).__name__} at {self._where} ({self._doing}): {_one_line(str(exception))}"
        ), False

    def _needs_tls(self) -> bool:
        """Whether an http:// endpoint speaks TLS; looks once in an operation."""
        endpoint = self._settings.endpoint if self._settings else None
        if self._looked or endpoint is None or not endpoint.startswith("http:") or self._is_proxied():
            return False
        self._looked = True
        return speaks_tls(endpoint)

    def _is_proxied(self) -> bool:
        parts = urlsplit((self._settings and self._settings.endpoint) or "")
        return proxy_for(parts.scheme, parts.hostname or "") is not None

    def _tls_wanted(self) -> tuple[TrainerError, bool]:
        return InvalidConfigError(f"{self._where} speaks TLS: is the endpoint https:// instead of http://?"), False

    def _unreachable(self, detail: str) -> StoreUnreachableError:
        return StoreUnreachableError(f"{self._where} cannot be used ({self._doing}): {detail}")


def _causes(exception: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while exception is not None and id(exception) not in seen:
        seen.add(id(exception))
        yield exception
        reason = getattr(exception, "reason", None)
        nested = reason if isinstance(reason, BaseException) else None
        nested = nested or next((arg for arg in exception.args if isinstance(arg, BaseException)), None)
        exception = nested or exception.__cause__ or exception.__context__


_CAUSES: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((http.NameResolutionError,), "its name cannot be resolved"),
    ((ConnectionRefusedError,), "connection refused"),
    ((http.ReadTimeoutError,), "no answer in time"),
    ((ConnectionResetError, BrokenPipeError, http.IncompleteRead), "the connection broke"),
    ((TimeoutError, http.ConnectTimeoutError), "no connection in time"),
    ((ElementTree.ParseError,), "its answer is not well-formed XML"),
)


def _cause_text(causes: list[BaseException]) -> str:
    for kinds, text in _CAUSES:
        if any(isinstance(cause, kinds) and type(cause) is not http.NewConnectionError for cause in causes):
            return text
    return _one_line(str(causes[-1])) or type(causes[-1]).__name__


def _xml_error(body: str | None) -> tuple[str, str]:
    """Code and message of an S3 error document, or empty strings."""
    if not body or not body.lstrip().startswith("<") or len(body) > 65536:
        return "", ""
    try:
        root = ElementTree.fromstring(body)  # noqa: S314  # bounded above; expat refuses entity bombs
    except ElementTree.ParseError:
        return "", ""
    texts = {child.tag.rpartition("}")[2]: child.text or "" for child in root}
    return texts.get("Code", "").strip(), texts.get("Message", "")


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())[:200]
