"""ResourceQuotas: what would exceed one is refused. Quotas with scopes are kept, but limit nothing here."""

from __future__ import annotations

from fractions import Fraction

from mnist_local.apiserver import quotas
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import Obj, forbidden
from mnist_local.apiserver.quotas import Amounts
from mnist_local.apiserver.rest.admission import Attributes, Plugin


def resource_quota(ctx: Context) -> Plugin:
    """Return the plugin over a server's quotas."""
    table = ctx.store.table(quotas.TABLE)

    def admit(attributes: Attributes) -> None:
        if attributes.operation != "CREATE" or attributes.subresource or not table.objects or attributes.obj is None:
            return
        for entry in table.select(attributes.namespace):
            if not entry.obj["spec"].get("scopes") and not entry.obj["spec"].get("scopeSelector"):
                _check(ctx, attributes, entry.obj, attributes.obj)

    return admit


def _check(ctx: Context, attributes: Attributes, quota: Obj, obj: Obj) -> None:
    resource = attributes.resource
    hard = quotas.limits(quota)
    requested = quotas.usage(resource, obj, hard)
    if not requested:
        return
    name = quota["metadata"]["name"]
    if resource.table_name == "pods" and (missing := quotas.unspecified(obj, hard)):
        said = "; ".join(f"{what} for: {','.join(containers)}" for what, containers in missing.items())
        raise forbidden("", "pods", attributes.name, f"failed quota: {name}: must specify {said}")
    used = used_in(ctx, attributes.namespace, hard)
    over = {key for key, value in requested.items() if value and used.get(key, Fraction(0)) + value > hard[key]}
    if over:
        asked, taken, limited = (
            quotas.shown({key: amounts.get(key, Fraction(0)) for key in over}) for amounts in (requested, used, hard)
        )
        why = f"exceeded quota: {name}, requested: {asked}, used: {taken}, limited: {limited}"
        raise forbidden(resource.group, resource.plural, attributes.name, why)


def used_in(ctx: Context, namespace: str, hard: Amounts) -> Amounts:
    """Return what a namespace's objects use of a quota's limits."""
    total: Amounts = {}
    for resource in ctx.registry.stored():
        if not resource.namespaced:
            continue
        for entry in ctx.table(resource).select(namespace):
            amounts = quotas.usage(resource, entry.obj, hard)
            if not amounts:
                break
            for key, value in amounts.items():
                total[key] = total.get(key, Fraction(0)) + value
    return total
