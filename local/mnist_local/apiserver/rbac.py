"""RBAC: which rules a user holds, whether they allow what is asked, and whether a user may hand them on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Any

from mnist_local.apiserver.errors import ApiError, Obj, forbidden, not_found
from mnist_local.apiserver.request import RequestInfo, User, Write
from mnist_local.apiserver.store import Event, Key, Store

Rule = dict[str, Any]

GROUP = "rbac.authorization.k8s.io"
ROLES = f"roles.{GROUP}"
CLUSTER_ROLES = f"clusterroles.{GROUP}"
BINDINGS = f"rolebindings.{GROUP}"
CLUSTER_BINDINGS = f"clusterrolebindings.{GROUP}"
MASTERS = "system:masters"


def among(value: str, allowed: Sequence[str]) -> bool:
    """Tell whether a list has the value, or the star that stands for all."""
    return value in allowed or "*" in allowed


def allows(rule: Rule, ask: RequestInfo) -> bool:
    """Tell whether a rule allows what is asked; an empty name asks for all names."""
    if not among(ask.verb, rule.get("verbs") or ()):
        return False
    if not ask.resource:
        urls = rule.get("nonResourceURLs") or ()
        return any(url == ask.path or (url.endswith("*") and ask.path.startswith(url[:-1])) for url in urls)
    resources, names = rule.get("resources") or (), rule.get("resourceNames")
    named = among(ask.full_resource, resources) or (ask.subresource and f"*/{ask.subresource}" in resources)
    return bool(named) and among(ask.group, rule.get("apiGroups") or ()) and (not names or ask.name in names)


def _questions(rule: Rule) -> Iterator[RequestInfo]:
    verbs = rule.get("verbs") or ()
    names = rule.get("resourceNames") or [""]
    for verb, group, full, name in product(verbs, rule.get("apiGroups") or (), rule.get("resources") or (), names):
        resource, _, subresource = full.partition("/")
        yield RequestInfo(verb, group, resource, subresource, name=name)
    for verb, url in product(verbs, rule.get("nonResourceURLs") or ()):
        yield RequestInfo(verb, path=url)


def uncovered(held: Iterable[Rule], wanted: Iterable[Rule]) -> list[RequestInfo]:
    """Return what the wanted rules allow, and none of those held."""
    held = list(held)
    return [ask for rule in wanted for ask in _questions(rule) if not any(allows(own, ask) for own in held)]


def _subject_key(subject: Obj, namespace: str) -> str:
    kind, name = subject.get("kind", ""), subject.get("name", "")
    if kind == "ServiceAccount":
        return f"User/system:serviceaccount:{subject.get('namespace') or namespace}:{name}"
    return f"{kind}/{name}"


class Authorizer:
    """Decides by the roles and bindings in the store; bindings are indexed by subject."""

    def __init__(self, store: Store) -> None:
        self.store = store
        # (namespace or "", subject) -> bindings by key
        self._bindings: dict[tuple[str, str], dict[Key, Obj]] = {}
        store.subscribe(self._on_event)

    def _on_event(self, table: str, event: Event) -> None:
        if table not in (BINDINGS, CLUSTER_BINDINGS):
            return
        namespace, _ = key = event.entry.key
        for subject in (event.previous.obj.get("subjects") or ()) if event.previous else ():
            self._bindings.get((namespace, _subject_key(subject, namespace)), {}).pop(key, None)
        for subject in (event.entry.obj.get("subjects") or ()) if event.type != "DELETED" else ():
            self._bindings.setdefault((namespace, _subject_key(subject, namespace)), {})[key] = event.entry.obj

    def role_rules(self, binding: Obj) -> list[Rule] | None:
        reference = binding["roleRef"]
        if reference["kind"] == "ClusterRole":
            entry = self.store.table(CLUSTER_ROLES).get("", reference["name"])
        else:
            entry = self.store.table(ROLES).get(binding["metadata"]["namespace"], reference["name"])
        return None if entry is None else entry.obj.get("rules") or []

    def rules_of(self, user: User, namespace: str) -> Iterator[Rule]:
        """Yield the rules a user holds in a namespace (empty: for the whole cluster)."""
        if MASTERS in user.groups:
            yield from (
                {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
                {"verbs": ["*"], "nonResourceURLs": ["*"]},
            )
        for place in ("", namespace) if namespace else ("",):
            for subject in (f"User/{user.name}", *(f"Group/{group}" for group in user.groups)):
                for binding in self._bindings.get((place, subject), {}).values():
                    yield from self.role_rules(binding) or ()

    def allowed(self, user: User, ask: RequestInfo) -> bool:
        return any(allows(rule, ask) for rule in self.rules_of(user, ask.namespace))

    def require(self, user: User, ask: RequestInfo) -> None:
        """Refuse what is not allowed.

        Raises:
            ApiError: 403 with the sentence of Kubernetes.
        """
        if self.allowed(user, ask):
            return
        if not ask.resource:
            raise ApiError(403, "Forbidden", f'forbidden: User "{user.name}" cannot {ask.verb} path "{ask.path}"')
        where = f'in the namespace "{ask.namespace}"' if ask.namespace else "at the cluster scope"
        why = f'User "{user.name}" cannot {ask.verb} resource "{ask.full_resource}" in API group "{ask.group}" {where}'
        raise forbidden(ask.group, ask.resource, ask.name, why)

    def check_grant(self, write: Write, obj: Obj, old: Obj | None) -> None:
        """Refuse roles and bindings that give more than their writer holds, unless `escalate` or `bind` allows it.

        Raises:
            ApiError: 403; 404, the binding's role is not there.
        """
        table, resource = write.resource.table_name, write.resource
        if MASTERS in write.user.groups or table not in (ROLES, CLUSTER_ROLES, BINDINGS, CLUSTER_BINDINGS):
            return
        given = [key for key in ("rules", "aggregationRule", "subjects", "roleRef") if key in obj]
        if old is not None and all(obj.get(key) == old.get(key) for key in given):
            return
        if table in (ROLES, CLUSTER_ROLES):
            ask = RequestInfo("escalate", GROUP, resource.plural, "", write.namespace, write.name)
            everything = (
                [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}] if obj.get("aggregationRule") else []
            )
            rules: list[Rule] | None = [*(obj.get("rules") or ()), *everything]
        else:
            plural = "clusterroles" if obj["roleRef"]["kind"] == "ClusterRole" else "roles"
            ask = RequestInfo("bind", GROUP, plural, "", write.namespace, obj["roleRef"]["name"])
            rules = self.role_rules(obj)
        if self.allowed(write.user, ask):
            return
        if rules is None:
            raise not_found(GROUP, ask.resource, ask.name)
        if missing := uncovered(self.rules_of(write.user, write.namespace), rules):
            shown = ", ".join(
                f"{m.verb} {m.full_resource or m.path}{'.' + m.group if m.group else ''}" for m in missing
            )
            why = f'user "{write.user.name}" is attempting to grant RBAC permissions not currently held: {shown}'
            raise forbidden(GROUP, resource.plural, obj["metadata"].get("name", ""), why)
