"""What a training needs beside its cluster: identities, the trainer's narrow rights, and the storage credentials."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from mnist_operator.api.names import GROUP, PLURAL
from mnist_operator.api.spec import StorageSpec
from mnist_operator.children.training import (
    Manifest,
    Training,
    child,
    role_name,
    sealed,
    service_account_name,
    storage_secret_name,
)


def service_accounts(training: Training) -> list[Manifest]:
    """Return the ServiceAccounts of head and workers; none when the user or a shared cluster brings them."""
    asked = training.spec.service_account
    if not asked.create or training.spec.cluster_ref is not None:
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
        account["metadata"]["annotations"] = dict(asked.annotations)
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


REQUIRED_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
OPTIONAL_KEYS = ("AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION")
CA_SOURCE_KEY = "ca.crt"
CA_KEY = "MNIST_STORAGE_CA_PEM"
_DEFAULT_REGION = "us-east-1"


def credential_problems(data: Mapping[str, str] | None) -> list[str]:
    """Say what is wrong with the source Secret's `data` (base64 values), never quoting a value."""
    problems = []
    for key in REQUIRED_KEYS:
        value = _decoded(data, key)
        if value is None:
            problems.append(f"key {key} is missing")
        elif not value.strip():
            problems.append(f"key {key} is empty")
    return problems


def storage_secret(training: Training, source: Mapping[str, str]) -> Manifest:
    """Return the owned Secret: the variables that the trainer reads, and nothing else of the source.

    Args:
        training: the training.
        source: `data` of the source Secret (base64 values), free of `credential_problems`.
    """
    values = {key: value for key in (*REQUIRED_KEYS, *OPTIONAL_KEYS) if (value := _decoded(source, key))}
    if ca := _decoded(source, CA_SOURCE_KEY):
        values[CA_KEY] = ca
    values = {key: value.strip() for key, value in values.items()}
    values.update(_from_spec(training.spec.storage))
    values.setdefault("AWS_REGION", _DEFAULT_REGION)
    data = {key: base64.b64encode(value.encode()).decode() for key, value in sorted(values.items())}
    return sealed(
        child(
            training,
            api_version="v1",
            kind="Secret",
            name=storage_secret_name(training),
            component="storage",
            type="Opaque",
            data=data,
        )
    )


def _from_spec(storage: StorageSpec) -> dict[str, str]:
    given = {"AWS_ENDPOINT_URL": storage.endpoint, "AWS_REGION": storage.region}
    return {key: value for key, value in given.items() if value}


def _decoded(data: Mapping[str, str] | None, key: str) -> str | None:
    encoded = (data or {}).get(key)
    if encoded is None:
        return None
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
