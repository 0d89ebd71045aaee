"""Reviews: questions about users and rights that are answered and not stored, and ServiceAccount tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mnist_local.apiserver import clock
from mnist_local.apiserver.auth.authentication import Authenticator
from mnist_local.apiserver.auth.authorizer import Question
from mnist_local.apiserver.auth.tokens import ISSUER
from mnist_local.apiserver.call import Call, User
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import Obj, conflict, invalid, not_found
from mnist_local.apiserver.schema import errors as field

_SHORTEST, _DEFAULT, _LONGEST = 600, 3600, 1 << 32


class Reviews:
    """Answers the review resources and the `token` subresource of ServiceAccounts."""

    def __init__(self, ctx: Context, authenticator: Authenticator) -> None:
        self.ctx = ctx
        self.authenticator = authenticator
        self.kinds: dict[str, Callable[[Call, Obj], Obj]] = {
            "selfsubjectaccessreviews": self._self_access,
            "subjectaccessreviews": self._access,
            "localsubjectaccessreviews": self._local_access,
            "selfsubjectrulesreviews": self._self_rules,
            "selfsubjectreviews": self._self,
            "tokenreviews": self._token_review,
        }

    def answer(self, call: Call, obj: Obj) -> Obj:
        """Return a review with its status.

        Raises:
            ApiError: 422, the question is malformed.
        """
        status = self.kinds[call.resource.plural](call, obj)
        out: Obj = {"kind": call.resource.kind, "apiVersion": call.resource.api_version}
        out["metadata"] = obj.get("metadata") or {}
        if "spec" in obj:
            out["spec"] = obj["spec"]
        out["status"] = status
        return out

    def _decide(self, user: User, spec: Obj) -> Obj:
        authorizer = self.ctx.authorizer
        if path := spec.get("nonResourceAttributes"):
            allowed = authorizer.allowed_path(user, path.get("verb", ""), path.get("path", ""))
        else:
            ask: Obj = spec.get("resourceAttributes") or {}
            question = Question(
                ask.get("verb", ""), ask.get("group", ""), ask.get("resource", ""), ask.get("subresource", ""),
                ask.get("namespace", ""), ask.get("name", ""),
            )  # fmt: skip
            allowed = authorizer.allowed(user, question)
        status: Obj = {"allowed": allowed}
        if allowed:
            status["reason"] = "RBAC: allowed"
        return status

    def _check_spec(self, call: Call, spec: Obj) -> None:
        if bool(spec.get("resourceAttributes")) == bool(spec.get("nonResourceAttributes")):
            sentence = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
            cause = field.invalid("spec.resourceAttributes", spec.get("nonResourceAttributes"), sentence)
            raise invalid(call.resource.group, call.resource.kind, "", [cause])

    def _self_access(self, call: Call, obj: Obj) -> Obj:
        spec = obj.get("spec") or {}
        self._check_spec(call, spec)
        return self._decide(call.user, spec)

    def _access(self, call: Call, obj: Obj) -> Obj:
        spec = obj.get("spec") or {}
        self._check_spec(call, spec)
        if not spec.get("user") and not spec.get("groups"):
            cause = field.invalid("spec.user", "", "at least one of user or group must be specified")
            raise invalid(call.resource.group, call.resource.kind, "", [cause])
        return self._decide(User(spec.get("user", ""), tuple(spec.get("groups") or ())), spec)

    def _local_access(self, call: Call, obj: Obj) -> Obj:
        namespace = ((obj.get("spec") or {}).get("resourceAttributes") or {}).get("namespace")
        if namespace != call.info.namespace:
            sentence = f"must match metadata.namespace: {call.info.namespace}"
            cause = field.invalid("spec.resourceAttributes.namespace", namespace, sentence)
            raise invalid(call.resource.group, call.resource.kind, "", [cause])
        return self._access(call, obj)

    def _self_rules(self, call: Call, obj: Obj) -> Obj:
        namespace = (obj.get("spec") or {}).get("namespace") or ""
        resources: list[Obj] = []
        paths: list[Obj] = []
        for rule in self.ctx.authorizer.rules_of(call.user, namespace):
            if urls := rule.get("nonResourceURLs"):
                paths.append({"verbs": rule["verbs"], "nonResourceURLs": urls})
            if rule.get("resources"):
                resources.append(
                    {key: rule[key] for key in ("verbs", "apiGroups", "resources", "resourceNames") if rule.get(key)}
                )
        return {"resourceRules": resources, "nonResourceRules": paths, "incomplete": False}

    def _self(self, call: Call, _obj: Obj) -> Obj:
        return {"userInfo": user_info(call.user)}

    def _token_review(self, _call: Call, obj: Obj) -> Obj:
        spec = obj.get("spec") or {}
        audiences = spec.get("audiences") or [ISSUER]
        for audience in audiences:
            if user := self.authenticator.of_token(spec.get("token", ""), audience):
                return {"authenticated": True, "user": user_info(user), "audiences": [audience]}
        return {"authenticated": False, "user": {}, "error": "invalid bearer token"}

    def token(self, call: Call, obj: Obj) -> Obj:
        """Answer a TokenRequest for a ServiceAccount.

        Raises:
            ApiError: 404, 409 or 422.
        """
        namespace, name = call.info.namespace, call.info.name
        entry = self.ctx.store.table("serviceaccounts").get(namespace, name)
        if entry is None:
            raise not_found("", "serviceaccounts", name)
        spec: Obj = dict(obj.get("spec") or {})
        audiences = spec.get("audiences") or [ISSUER]
        seconds = _DEFAULT if spec.get("expirationSeconds") is None else spec["expirationSeconds"]
        causes = []
        if seconds < _SHORTEST:
            causes.append(
                field.invalid("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
            )
        if seconds > _LONGEST:
            causes.append(
                field.invalid("spec.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")
            )
        if causes:
            raise invalid("authentication.k8s.io", "TokenRequest", "", causes)
        bound = self._bound(call, spec.get("boundObjectRef"))
        token = self.ctx.signer.issue(entry.obj, audiences, seconds, bound)
        spec |= {"audiences": audiences, "expirationSeconds": seconds}
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": clock.now()},
            "spec": spec,
            "status": {"token": token, "expirationTimestamp": clock.after(seconds)},
        }

    def _bound(self, call: Call, reference: Obj | None) -> Obj | None:
        if not reference:
            return None
        tables = {"Pod": "pods", "Secret": "secrets"}
        kind = reference.get("kind", "")
        if kind not in tables:
            cause = field.invalid("spec.boundObjectRef", kind, "cannot bind token for serviceaccount to this type")
            raise invalid("authentication.k8s.io", "TokenRequest", "", [cause])
        entry = self.ctx.store.table(tables[kind]).get(call.info.namespace, reference.get("name", ""))
        if entry is None:
            raise not_found("", tables[kind], reference.get("name", ""))
        uid = entry.obj["metadata"]["uid"]
        if reference.get("uid") and reference["uid"] != uid:
            why = (
                f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. "
                "The object might have been deleted and then recreated"
            )
            raise conflict("", tables[kind], reference["name"], why)
        return {"kind": kind, "name": reference["name"], "uid": uid}


def user_info(user: User) -> Obj:
    """Return a user as `authentication.k8s.io/v1 UserInfo`."""
    out: dict[str, Any] = {"username": user.name}
    if user.uid:
        out["uid"] = user.uid
    if user.groups:
        out["groups"] = list(user.groups)
    if user.extra:
        out["extra"] = {key: list(values) for key, values in user.extra.items()}
    return out
