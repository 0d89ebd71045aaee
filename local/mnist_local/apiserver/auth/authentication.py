"""From a request's headers to a user: the administrator's token, ServiceAccount tokens, impersonation."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from urllib.parse import unquote

from multidict import CIMultiDictProxy

from mnist_local.apiserver.auth.authorizer import Authorizer, Question
from mnist_local.apiserver.auth.tokens import ISSUER, TokenSigner
from mnist_local.apiserver.call import User
from mnist_local.apiserver.errors import Obj, bad_request, unauthorized
from mnist_local.apiserver.store import Store

ADMIN = User("mnist-local-admin", ("system:masters", "system:authenticated"))
_ACCOUNT_PREFIX = "system:serviceaccount:"


def account_groups(namespace: str) -> tuple[str, ...]:
    """Return the groups of a ServiceAccount of a namespace."""
    return ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")


class Authenticator:
    """Knows the administrator's token and the ServiceAccount tokens that the server signed."""

    def __init__(self, store: Store, signer: TokenSigner, admin_token: str) -> None:
        self.store = store
        self.signer = signer
        self._admin = admin_token
        self._claims: dict[str, Obj] = {}
        self._users: dict[str, User] = {}

    def of_token(self, token: str, audience: str = ISSUER) -> User | None:
        """Return whom a token stands for; None where it is unknown, expired, or its account or pod is gone."""
        if hmac.compare_digest(token.encode(), self._admin.encode()):
            return ADMIN
        claims = self._claims.get(token)
        if claims is None or claims["exp"] <= _now():
            claims = self.signer.read(token)
            if claims is None:
                self._claims.pop(token, None)
                return None
            self._claims[token] = claims
            self._users[token] = _user_of(claims)
        if audience not in claims["aud"] or not self._alive(claims["kubernetes.io"]):
            return None
        return self._users[token]

    def _alive(self, private: Obj) -> bool:
        namespace = private["namespace"]
        for table, kind in (("serviceaccounts", "serviceaccount"), ("pods", "pod"), ("secrets", "secret")):
            if bound := private.get(kind):
                entry = self.store.table(table).get(namespace, bound["name"])
                if entry is None or entry.obj["metadata"]["uid"] != bound["uid"]:
                    return False
        return True

    def of_request(self, headers: CIMultiDictProxy[str]) -> User:
        """Return who asks.

        Raises:
            ApiError: 401.
        """
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        user = self.of_token(token.strip()) if scheme.lower() == "bearer" and token else None
        if user is None:
            raise unauthorized()
        return user


def _now() -> float:
    import time

    return time.time()


def _user_of(claims: Obj) -> User:
    private = claims["kubernetes.io"]
    extra = {"authentication.kubernetes.io/credential-id": (f"JTI={claims['jti']}",)}
    if pod := private.get("pod"):
        extra["authentication.kubernetes.io/pod-name"] = (pod["name"],)
        extra["authentication.kubernetes.io/pod-uid"] = (pod["uid"],)
    namespace = private["namespace"]
    return User(claims["sub"], account_groups(namespace), private["serviceaccount"]["uid"], extra)


def impersonated(user: User, headers: CIMultiDictProxy[str], authorizer: Authorizer) -> User:
    """Return the user that an `Impersonate-User` header asks to be, or `user` where there is none.

    Raises:
        ApiError: 403, the requester may not; 400, groups without a user.
    """
    name = headers.get("Impersonate-User", "")
    groups = headers.getall("Impersonate-Group", [])
    if not name:
        if groups or "Impersonate-Uid" in headers:
            raise bad_request("requested [{Group}] without impersonating a user")
        return user
    ask: Callable[[str, str, str, str], None] = lambda group, resource, target, namespace: authorizer.require(  # noqa: E731
        user, Question("impersonate", group, resource, "", namespace, target)
    )
    if name.startswith(_ACCOUNT_PREFIX):
        namespace, _, account = name.removeprefix(_ACCOUNT_PREFIX).partition(":")
        ask("", "serviceaccounts", account, namespace)
        effective = tuple(groups) or account_groups(namespace)
    else:
        ask("", "users", name, "")
        effective = tuple(groups)
    for group in groups:
        ask("", "groups", group, "")
    extra: dict[str, tuple[str, ...]] = {}
    for header in set(headers):
        if header.lower().startswith("impersonate-extra-"):
            key = unquote(header[len("impersonate-extra-") :]).lower()
            for value in headers.getall(header):
                authorizer.require(user, Question("impersonate", "authentication.k8s.io", "userextras", key, "", value))
            extra[key] = tuple(headers.getall(header))
    uid = headers.get("Impersonate-Uid", "")
    if uid:
        ask("authentication.k8s.io", "uids", uid, "")
    if "system:authenticated" not in effective:
        effective += ("system:authenticated",)
    return User(name, effective, uid, extra)
