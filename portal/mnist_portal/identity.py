"""Who asks, in each of the three modes, and how the API server is told so.

An identity is a connection: with the person's own kubeconfig, with the bearer token that came with the request, or, in
mode `header`, with the pod's own token and the user to impersonate. All that the portal then does, it does as that
person, so the API server decides what may be done.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from mnist_kube.client import KubeApi
from mnist_kube.connection import Connection
from mnist_kube.errors import ApiError
from mnist_kube.transport import Renew
from mnist_portal.settings import Mode, Settings, proxy_secret

PROXY_SECRET = "X-Portal-Proxy-Secret"  # noqa: S105 - a header's name
_REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_ACCESS_REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_MOST_GROUPS = 100
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{8,16384}")


class NotTrustedError(Exception):
    """The request says who asks in a way that is not to be believed; one sentence says why."""


@dataclass(frozen=True)
class Identity:
    """One person, or one program, as the API server knows them. Two that are equal share what is watched."""

    key: str
    """A digest: names nobody, and is the same for the same credentials."""
    name: str
    connection: Connection = field(repr=False, compare=False)
    renew: Renew | None = field(default=None, repr=False, compare=False)


def of_kubeconfig(connection: Connection, name: str, renew: Renew | None = None) -> Identity:
    """Return the identity of a kubeconfig's user."""
    return Identity(_digest("kubeconfig", connection.server, name), name, connection, renew)


def bearer_token(headers: Mapping[str, str]) -> str:
    """Return the token of an Authorization header; empty where there is none that can be one."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return clean_token(token) if scheme.lower() == "bearer" else ""


def clean_token(text: str) -> str:
    """Return a pasted token without what a terminal adds; empty for what cannot be one."""
    token = "".join(text.split())
    return token if _TOKEN.fullmatch(token) else ""


async def of_token(server: Connection, token: str) -> Identity:
    """Return the identity of a bearer token. Raises ApiError: 401 where the API server does not know it."""
    connection = server.with_token(token)
    async with KubeApi(connection, user_agent="mnist-portal", timeout=15) as api:
        name = await whoami(api)
    return Identity(_digest("token", connection.server, token), name, connection)


async def whoami(api: KubeApi, otherwise: str = "a token's user") -> str:
    """Return the user's name as the API server says it. Raises ApiError: 401 for credentials that it does not know."""
    try:
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        review = await api.create(_REVIEW, body)
        return str(review["status"]["userInfo"]["username"])
    except ApiError as error:
        if error.status not in {403, 404, 405}:
            raise
    except (KeyError, TypeError):
        pass
    # Before Kubernetes 1.28 nobody tells a name; that the credentials are good, any question shows.
    asked = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    await api.create(_ACCESS_REVIEW, {**asked, "spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}})
    return subject_of(api.connection.token) or otherwise


def subject_of(token: str) -> str:
    """Return the `sub` of a JWT, only to be shown: it was not verified here. Empty for what is no JWT."""
    import base64

    try:
        claims = token.split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"])
    except (IndexError, KeyError, ValueError, TypeError):
        return ""


def of_header(settings: Settings, pod: Connection, headers: Mapping[str, str]) -> Identity | None:
    """Return the identity that the trusted proxy names; None where it names none.

    Raises NotTrustedError where the request does not prove that it comes from the proxy.
    """
    assert settings.mode is Mode.HEADER
    if not hmac.compare_digest(headers.get(PROXY_SECRET, "").encode(), proxy_secret(settings).encode()):
        raise NotTrustedError("the request does not come from the trusted proxy: it lacks the proxy's secret")
    user = headers.get(settings.user_header, "").strip()
    if not user:
        return None
    if user.startswith("system:"):
        raise NotTrustedError(f"a proxy may not name {user!r}: users of Kubernetes itself are not impersonated")
    groups = [group.strip() for group in headers.get(settings.groups_header, "").split(",") if group.strip()]
    groups = [group for group in groups if not group.startswith("system:")][:_MOST_GROUPS]
    connection = pod.acting_as(user, groups)
    return Identity(_digest("header", connection.server, user, *sorted(groups)), user, connection)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
