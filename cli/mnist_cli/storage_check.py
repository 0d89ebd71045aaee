"""Whether a training's object store will do: Secret, endpoint, credentials, dataset, output.

The Secret is read with the user's own rights, and the store is asked from this machine. Both may be missing here while
all is well in the cluster, so neither is a failure: a Secret that may not be read and a store that only the cluster
knows are warnings that say so.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import os
import socket
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mnist_cli.checks import Finding
from mnist_client.threads import in_thread
from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.resources import SECRETS, SERVICES
from mnist_trainer.errors import (
    BucketNotFoundError,
    CredentialsRefusedError,
    DatasetNotFoundError,
    InvalidConfigError,
    StoreAccessDeniedError,
    StoreUnreachableError,
    TrainerError,
)
from mnist_trainer.run.preflight import StorageCheck, check_storage
from mnist_trainer.store import ObjectStore, RetryPolicy, S3Address, StoreSettings

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_VARIABLES = (*KEYS, "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION")
# A person waits.
_POLICY = RetryPolicy(connect_timeout=3, read_timeout=10, give_up_after=8)


@dataclass(frozen=True)
class Storage:
    """`spec.storage` of a training. `way_in` is where this machine sees the store, if elsewhere than the cluster."""

    namespace: str
    secret: str
    dataset: str
    output: str
    endpoint: str | None = None
    region: str | None = None
    way_in: str | None = None

    @classmethod
    def of(cls, namespace: str, spec: Mapping[str, Any], way_in: str | None = None) -> Storage:
        """Read a spec with the API's defaults in it; raises KeyError where these are missing."""
        storage = spec["storage"]
        return cls(
            namespace,
            storage["credentialsSecret"],
            storage["dataset"],
            storage["output"],
            storage.get("endpoint"),
            storage.get("region"),
            way_in,
        )


async def storage_findings(api: KubeApi, storage: Storage, brought: Mapping[str, Any] | None = None) -> list[Finding]:
    """Every finding on a training's store; `brought` is the Secret if the manifest's file has it."""
    values, about_secret = await _secret(api, storage, brought)
    findings = [about_secret]
    own_keys = values is None
    if values is None:
        values = {key: os.environ[key] for key in _VARIABLES if os.environ.get(key)}
        if not values.get(KEYS[0]):
            return findings
    endpoint = storage.way_in or storage.endpoint or values.get("AWS_ENDPOINT_URL")
    if own_keys and not endpoint:
        # Only the Secret may know the store's address; AWS is not to be asked by guess.
        return [*findings, Finding.warn("endpoint", "is not known without the Secret", "--endpoint URL names it")]
    if not storage.way_in and (elsewhere := await _only_in_cluster(api, storage.namespace, endpoint)):
        return [*findings, elsewhere]
    try:
        store = ObjectStore(StoreSettings.from_env(values, endpoint=endpoint, region=storage.region), _POLICY)
        addresses = [S3Address.parse(text) for text in (storage.dataset, storage.output)]
    except TrainerError as error:
        return [*findings, Finding.fail("secret" if "certificate" in error.message else "endpoint", error.message)]
    checks = await in_thread(check_storage, store, *addresses)
    return [*findings, *_outcome(store.settings.where, checks, storage.way_in)]


async def _secret(
    api: KubeApi, storage: Storage, brought: Mapping[str, Any] | None
) -> tuple[dict[str, str] | None, Finding]:
    """The variables of the Secret, if it can be read and has them, and what is to say of it."""
    name = f"{storage.namespace}/{storage.secret}"
    try:
        secret = brought or await api.find(SECRETS.path(storage.namespace, storage.secret))
    except ApiError as error:
        if error.status != 403:
            raise
        return None, Finding.warn(
            "secret",
            f"Secret {name} may not be read by you, so the store was not asked with its keys",
            f"set {' and '.join(KEYS)} to have the store checked with yours",
        )
    if secret is None:
        return None, Finding.fail(
            "secret",
            f"Secret {name}, named in spec.storage.credentialsSecret, does not exist",
            f"kubectl create secret generic {storage.secret} -n {storage.namespace} "
            + " ".join(f"--from-literal={key}=..." for key in KEYS),
        )
    values = _decoded(secret)
    if missing := [key for key in KEYS if not values.get(key)]:
        verb = "is" if len(missing) == 1 else "are"
        return None, Finding.fail("secret", f"Secret {name}: {' and '.join(missing)} {verb} missing or empty")
    if authority := values.pop("ca.crt", None):
        values["MNIST_STORAGE_CA_PEM"] = authority
    return values, Finding.ok("secret", f"Secret {name} has {' and '.join(KEYS)}")


def _decoded(secret: Mapping[str, Any]) -> dict[str, str]:
    values = dict(secret.get("stringData") or {})
    for key, text in (secret.get("data") or {}).items():
        try:
            values.setdefault(key, base64.b64decode(text, validate=True).decode())
        except (binascii.Error, UnicodeDecodeError):
            continue
    return {key: str(value).strip() for key, value in values.items()}


async def _only_in_cluster(api: KubeApi, namespace: str, endpoint: str | None) -> Finding | None:
    """A finding where this machine cannot even name the store."""
    host = urlsplit(endpoint or "").hostname
    if not endpoint or not host or await in_thread(_can_be_named, endpoint, host):
        return None
    service, service_namespace = _service(host, namespace)
    if not service:
        return Finding.warn(
            "endpoint", f"{host} cannot be resolved on this machine; whether the cluster can is not known from here"
        )
    try:
        if await api.find(SERVICES.path(service_namespace, service)) is None:
            return Finding.fail(
                "endpoint", f"{endpoint}: there is no Service {service} in namespace {service_namespace}"
            )
    except ApiError as error:
        if error.status != 403:
            raise
    port = urlsplit(endpoint).port or (443 if endpoint.startswith("https") else 80)
    return Finding.warn(
        "endpoint",
        f"{endpoint} is only reachable inside of the cluster, so the store was not asked",
        f"kubectl port-forward -n {service_namespace} svc/{service} 9000:{port}, "
        "and then add --endpoint http://127.0.0.1:9000",
    )


def _can_be_named(endpoint: str, host: str) -> bool:
    scheme = urlsplit(endpoint).scheme
    if urllib.request.getproxies().get(scheme) and not urllib.request.proxy_bypass(host):
        return True  # the proxy's to resolve
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True


def _service(host: str, namespace: str) -> tuple[str, str]:
    """Name and namespace of the Service that a host name means inside of a cluster; empty if it means none."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return "", ""
    labels = host.split(".")
    if len(labels) == 1:
        return host, namespace
    if len(labels) == 2 or labels[2] == "svc":
        return labels[0], labels[1]
    return "", ""


def _outcome(where: str, checks: list[StorageCheck], way_in: str | None) -> list[Finding]:
    """What the store's answers say about endpoint, credentials, dataset and output."""
    errors = [check.error for check in checks]
    if unreachable := next((error for error in errors if isinstance(error, StoreUnreachableError)), None):
        message = f"{unreachable.message}; whether the cluster reaches it is not known from here"
        return [Finding.warn("endpoint", message, "" if way_in else "--endpoint URL names another way to it")]
    if misused := next((error for error in errors if type(error) is InvalidConfigError), None):
        return [Finding.fail("endpoint", misused.message)]
    found = [Finding.ok("endpoint", f"{where} answers")]
    if refused := next((error for error in errors if isinstance(error, CredentialsRefusedError)), None):
        return [*found, Finding.fail("credentials", refused.message)]
    if not all(isinstance(error, StoreAccessDeniedError) for error in errors):
        found.append(Finding.ok("credentials", "the store knows them"))
    option = f" --endpoint {where}" if where.startswith("http") else ""
    return found + [_about(check, option) for check in checks]


def _about(check: StorageCheck, option: str) -> Finding:
    address, error = check.address, check.error
    if error is None:
        does = "has the four files of a dataset" if check.subject == "dataset" else "can be written, and deleted from"
        return Finding.ok(check.subject, f"{address} {does}")
    action = ""
    if isinstance(error, BucketNotFoundError) and check.subject == "output":
        action = f"mnistctl data make-bucket s3://{address.bucket}{option}"
    elif isinstance(error, (BucketNotFoundError, DatasetNotFoundError)):
        action = f"mnistctl data upload --file FOLDER --dataset {address} --make-bucket{option}"
    elif isinstance(error, StoreAccessDeniedError):
        action = (
            "these keys need "
            + ("list and read" if check.subject == "dataset" else "list, write and delete")
            + " there"
        )
    return Finding.fail(check.subject, error.message, action)
