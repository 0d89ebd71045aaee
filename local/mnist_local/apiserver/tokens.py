"""Who asks: the administrator's token, and ServiceAccount tokens, signed JWTs that end with their account."""

from __future__ import annotations

import hmac
import time
import uuid
from collections.abc import Mapping

import jwt

from mnist_kube.times import after, timestamp
from mnist_local.apiserver.errors import ApiError, Obj, invalid, not_found, unauthorized
from mnist_local.apiserver.request import Call, User
from mnist_local.apiserver.schema import errors as fields
from mnist_local.apiserver.store import Store

ISSUER = "https://kubernetes.default.svc.cluster.local"
ADMIN = User("mnist-local-admin", ("system:masters", "system:authenticated"))
_ALGORITHM = "HS256"
_SHORTEST, _DEFAULT = 600, 3600


class Tokens:
    """Signs tokens with a key that lives as long as the server, and knows whom a token stands for."""

    def __init__(self, store: Store, key: bytes, admin: str) -> None:
        self._store = store
        self._key = key
        self._admin = admin

    def of_request(self, headers: Mapping[str, str]) -> User:
        """Return who asks.

        Raises:
            ApiError: 401; 403, to act as another is not served here.
        """
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        user = self.user_of(token.strip()) if scheme.lower() == "bearer" and token else None
        if user is None:
            raise unauthorized()
        if "Impersonate-User" in headers:
            raise ApiError(
                403, "Forbidden", "the local API server does not let anyone act as another; ask with a token"
            )
        return user

    def user_of(self, token: str) -> User | None:
        """Return whom a token stands for; None where it is unknown, expired, or its account or pod is gone."""
        if hmac.compare_digest(token.encode(), self._admin.encode()):
            return ADMIN
        try:
            claims: Obj = jwt.decode(token, self._key, [_ALGORITHM], audience=ISSUER, issuer=ISSUER)
        except jwt.InvalidTokenError:
            return None
        bound = claims["kubernetes.io"]
        for table, kind in (("serviceaccounts", "serviceaccount"), ("pods", "pod")):
            entry = self._store.table(table).get(bound["namespace"], bound[kind]["name"]) if kind in bound else None
            if kind in bound and (entry is None or entry.obj["metadata"]["uid"] != bound[kind]["uid"]):
                return None
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{bound['namespace']}", "system:authenticated")
        return User(claims["sub"], groups, bound["serviceaccount"]["uid"])

    def issue(self, call: Call, request: Obj) -> Obj:
        """Answer a TokenRequest for a ServiceAccount.

        Raises:
            ApiError: 404, no such account or object to bind to; 422.
        """
        namespace, name = call.info.namespace, call.info.name
        account = self._store.table("serviceaccounts").get(namespace, name)
        if account is None:
            raise not_found("", "serviceaccounts", name)
        spec: Obj = dict(request.get("spec") or {})
        seconds, now = spec.setdefault("expirationSeconds", _DEFAULT), int(time.time())
        if seconds < _SHORTEST:
            cause = fields.invalid("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
            raise invalid("authentication.k8s.io", "TokenRequest", "", [cause])
        spec["audiences"] = spec.get("audiences") or [ISSUER]
        private = {"serviceaccount": _reference(account.obj), **self._bound(namespace, spec.get("boundObjectRef"))}
        claims = {
            "aud": spec["audiences"], "exp": now + seconds, "iat": now, "iss": ISSUER, "jti": str(uuid.uuid4()),
            "kubernetes.io": {"namespace": namespace, **private}, "nbf": now,
            "sub": f"system:serviceaccount:{namespace}:{name}",
        }  # fmt: skip
        return {
            "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": spec,
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": timestamp()},
            "status": {
                "token": jwt.encode(claims, self._key, _ALGORITHM), "expirationTimestamp": timestamp(after(seconds)),
            },
        }  # fmt: skip

    def _bound(self, namespace: str, reference: Obj | None) -> Obj:
        if not reference:
            return {}
        kind, name = reference.get("kind", ""), reference.get("name", "")
        if kind != "Pod":
            cause = fields.not_supported("spec.boundObjectRef.kind", kind, ["Pod"])
            raise invalid("authentication.k8s.io", "TokenRequest", "", [cause])
        entry = self._store.table("pods").get(namespace, name)
        if entry is None or reference.get("uid", entry.obj["metadata"]["uid"]) != entry.obj["metadata"]["uid"]:
            raise not_found("", "pods", name)
        return {"pod": _reference(entry.obj)}


def _reference(obj: Obj) -> Obj:
    return {key: obj["metadata"][key] for key in ("name", "uid")}
