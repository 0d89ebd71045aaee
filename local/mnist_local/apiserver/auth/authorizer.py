"""RBAC: which rules a user holds, and whether they allow what is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_local.apiserver.auth.rules import Rule, allows_path, allows_resource
from mnist_local.apiserver.call import Call, User
from mnist_local.apiserver.errors import ApiError, Obj, forbidden
from mnist_local.apiserver.store import Event, Key, Store

if TYPE_CHECKING:
    from mnist_local.apiserver.context import Context

ROLES = "roles.rbac.authorization.k8s.io"
CLUSTER_ROLES = "clusterroles.rbac.authorization.k8s.io"
BINDINGS = "rolebindings.rbac.authorization.k8s.io"
CLUSTER_BINDINGS = "clusterrolebindings.rbac.authorization.k8s.io"
MASTERS = "system:masters"


@dataclass(frozen=True, slots=True)
class Question:
    """What someone asks to do with a resource."""

    verb: str
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def full_resource(self) -> str:
        """Return the resource with its subresource."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def _subject_key(subject: Obj, namespace: str) -> str:
    kind, name = subject.get("kind", ""), subject.get("name", "")
    if kind == "ServiceAccount":
        return f"User/system:serviceaccount:{subject.get('namespace') or namespace}:{name}"
    return f"{kind}/{name}"


class BindingIndex:
    """Finds the bindings of a subject: those of the cluster, and those of a namespace."""

    def __init__(self, store: Store) -> None:
        # (namespace or "", subject) -> bindings by key
        self._found: dict[tuple[str, str], dict[Key, Obj]] = {}
        store.subscribe(self.on_event)

    def on_event(self, table: str, event: Event) -> None:
        """Follow changes of bindings."""
        if table not in (BINDINGS, CLUSTER_BINDINGS):
            return
        namespace, _ = key = event.entry.key
        if event.previous is not None:
            for subject in event.previous.obj.get("subjects") or ():
                self._found.get((namespace, _subject_key(subject, namespace)), {}).pop(key, None)
        if event.type != "DELETED":
            for subject in event.entry.obj.get("subjects") or ():
                place = self._found.setdefault((namespace, _subject_key(subject, namespace)), {})
                place[key] = event.entry.obj

    def of(self, namespace: str, user: User) -> Iterator[Obj]:
        """Yield the user's bindings in a namespace, or with an empty one those of the cluster."""
        for subject in (f"User/{user.name}", *(f"Group/{group}" for group in user.groups)):
            if found := self._found.get((namespace, subject)):
                yield from found.values()


class Authorizer:
    """Decides by the roles and bindings in the store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.index = BindingIndex(store)

    def role_rules(self, binding: Obj) -> list[Rule] | None:
        """Return the rules of the role a binding refers to; None where there is no such role."""
        reference = binding["roleRef"]
        if reference["kind"] == "ClusterRole":
            entry = self.store.table(CLUSTER_ROLES).get("", reference["name"])
        else:
            entry = self.store.table(ROLES).get(binding["metadata"]["namespace"], reference["name"])
        return None if entry is None else entry.obj.get("rules") or []

    def rules_of(self, user: User, namespace: str) -> Iterator[Rule]:
        """Yield the rules a user holds in a namespace (empty: for the whole cluster)."""
        if MASTERS in user.groups:
            yield {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
            yield {"verbs": ["*"], "nonResourceURLs": ["*"]}
        for place in ("", namespace) if namespace else ("",):
            for binding in self.index.of(place, user):
                yield from self.role_rules(binding) or ()

    def missing_roles(self, user: User, namespace: str) -> list[str]:
        """Return a sentence for each role that is bound to the user and does not exist."""
        out: list[str] = []
        for place in ("", namespace) if namespace else ("",):
            for binding in self.index.of(place, user):
                if self.role_rules(binding) is None:
                    reference = binding["roleRef"]
                    kind = reference["kind"].lower()
                    out.append(f'{kind}.rbac.authorization.k8s.io "{reference["name"]}" not found')
        return out

    def allowed(self, user: User, ask: Question) -> bool:
        """Tell whether a user may do something with a resource."""
        if MASTERS in user.groups:
            return True
        return any(
            allows_resource(rule, ask.verb, ask.group, ask.resource, ask.subresource, ask.name)
            for rule in self.rules_of(user, ask.namespace)
        )

    def allowed_path(self, user: User, verb: str, path: str) -> bool:
        """Tell whether a user may reach a path that is no resource."""
        return MASTERS in user.groups or any(allows_path(rule, verb, path) for rule in self.rules_of(user, ""))

    def require(self, user: User, ask: Question) -> None:
        """Refuse what is not allowed.

        Raises:
            ApiError: 403 with the sentence of Kubernetes.
        """
        if self.allowed(user, ask):
            return
        where = f'in the namespace "{ask.namespace}"' if ask.namespace else "at the cluster scope"
        why = f'User "{user.name}" cannot {ask.verb} resource "{ask.full_resource}" in API group "{ask.group}" {where}'
        missing = self.missing_roles(user, ask.namespace)
        if missing:
            why += ": RBAC: " + (missing[0] if len(missing) == 1 else f"[{', '.join(missing)}]")
        raise forbidden(ask.group, ask.resource, ask.name, why)

    def require_path(self, user: User, verb: str, path: str) -> None:
        """Refuse a path that is not allowed.

        Raises:
            ApiError: 403.
        """
        if not self.allowed_path(user, verb, path):
            message = f'forbidden: User "{user.name}" cannot {verb} path "{path}"'
            raise ApiError(403, "Forbidden", message, {})


def question_of(call: Call, verb: str = "") -> Question:
    """Return what a request asks."""
    info = call.info
    namespace = info.namespace
    return Question(verb or info.verb, info.group, info.resource, info.subresource, namespace, info.name)


def require_create(ctx: Context, call: Call) -> None:
    """Refuse a patch or update that would create an object the user may not create.

    Raises:
        ApiError: 403.
    """
    ctx.authorizer.require(call.user, question_of(call, "create"))
