"""Who the pods are and what they may do: ServiceAccounts, and the trainer's Role and RoleBinding."""

from __future__ import annotations

from mnist_operator.api.names import GROUP, PLURAL
from mnist_operator.builders.context import Manifest, Training
from mnist_operator.builders.metadata import (
    child,
    role_name,
    sealed,
    service_account_name,
    storage_secret_name,
)


def service_accounts(training: Training) -> list[Manifest]:
    """Return the ServiceAccounts of head and workers; none when the user or a shared cluster brings them."""
    wish = training.spec.service_account
    if not wish.create or training.spec.cluster_ref is not None:
        return []
    accounts = []
    for component, mounts_token in (("head", True), ("worker", False)):
        account = child(
            training,
            api_version="v1",
            kind="ServiceAccount",
            name=service_account_name(training, component),
            component=component,
            # Workers talk to Ray and to the store, never to the Kubernetes API.
            automountServiceAccountToken=mounts_token,
        )
        account["metadata"]["annotations"] = dict(wish.annotations)
        accounts.append(sealed(account))
    return accounts


def trainer_role(training: Training) -> Manifest:
    """Return the Role: read the one Secret, patch the status of the one training."""
    return sealed(
        child(
            training,
            api_version="rbac.authorization.k8s.io/v1",
            kind="Role",
            name=role_name(training),
            component="trainer",
            rules=[
                {
                    "apiGroups": [""],
                    "resources": ["secrets"],
                    "resourceNames": [storage_secret_name(training)],
                    "verbs": ["get"],
                },
                {
                    "apiGroups": [GROUP],
                    "resources": [f"{PLURAL}/status"],
                    "resourceNames": [training.name],
                    "verbs": ["patch"],
                },
            ],
        )
    )


def trainer_role_binding(training: Training, accounts: list[str] | None = None) -> Manifest:
    """Return the RoleBinding of the trainer's Role.

    Args:
        training: the training.
        accounts: ServiceAccounts that may use it. Absent: the head's, where the driver runs. On a shared cluster they
            are that cluster's own.
    """
    names = accounts if accounts is not None else [service_account_name(training, "head")]
    return sealed(
        child(
            training,
            api_version="rbac.authorization.k8s.io/v1",
            kind="RoleBinding",
            name=role_name(training),
            component="trainer",
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role_name(training)},
            subjects=[
                {"kind": "ServiceAccount", "name": name, "namespace": training.namespace} for name in sorted(set(names))
            ],
        )
    )
