"""The objects of a manifest, brought to the local API: what `kubectl apply` does, for any kind."""

from __future__ import annotations

from typing import Any

from mnist_client.explain import one_line
from mnist_client.manifests import TRAINING_KIND, Document
from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.resources import SECRETS
from mnist_trainer.errors import InvalidConfigError


async def apply(api: KubeApi, documents: list[Document], dry_run: bool = False) -> list[dict[str, Any]]:
    """Create the objects, or change those that are there, with strict validation; returns them as the API has them.

    Raises InvalidConfigError with the API's sentence where it refuses one. A dry run only asks.
    """
    query = {"fieldValidation": "Strict", **({"dryRun": "All"} if dry_run else {})}
    applied = []
    for document in documents:
        try:
            path = await _collection(api, document)
            applied.append(await _create_or_patch(api, path, document, query))
        except ApiError as error:
            # A namespace that an earlier document makes is not there in a dry run.
            if dry_run and error.not_found and len(documents) > 1:
                continue
            if error.not_reached:
                raise
            raise InvalidConfigError(f"{document.kind} {document.name} is refused: {one_line(error.message)}") from None
    return applied


async def _create_or_patch(api: KubeApi, path: str, document: Document, query: dict[str, str]) -> dict[str, Any]:
    try:
        return await api.request("POST", path, document.body, query=query)
    except ApiError as error:
        if not error.already_exists:
            raise
    return await api.patch(f"{path}/{document.name}", document.body, query=query)


async def _collection(api: KubeApi, document: Document) -> str:
    """The URL path of the objects of a document's kind in its namespace, from discovery."""
    version = document.api_version
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    try:
        served = await api.get(root)
    except ApiError as error:
        if not error.not_found:
            raise
        served = {}
    for resource in served.get("resources") or []:
        if resource["kind"] == document.kind and "/" not in resource["name"]:
            if resource["namespaced"]:
                return f"{root}/namespaces/{document.namespace}/{resource['name']}"
            return f"{root}/{resource['name']}"
    raise InvalidConfigError(f"{document.kind} {document.name}: the local API does not serve {version} {document.kind}")


async def check_secrets(api: KubeApi, asked: list[dict[str, Any]], documents: list[Document]) -> None:
    """Check for every training of `asked` (objects with their defaults) that its Secret is made by somebody.

    The operator would wait for it, since in a cluster it may come later. A local run is alone with its API server:
    what neither it nor the file brings never comes. Raises InvalidConfigError then.
    """
    from mnist_local.stack.provision import SECRET

    brought = {(document.namespace, document.name) for document in documents if document.kind == "Secret"}
    for training in asked:
        if training.get("kind") != TRAINING_KIND:
            continue
        namespace, name = training["metadata"]["namespace"], training["spec"]["storage"]["credentialsSecret"]
        if name == SECRET or (namespace, name) in brought or await api.find(SECRETS.path(namespace, name)):
            continue
        raise InvalidConfigError(
            f"{training['metadata']['name']}: Secret {namespace}/{name}, named in spec.storage.credentialsSecret, does "
            "not exist, and nothing in a local run can bring it: add it to the file, or name "
            f"{SECRET}, which is made for you"
        )
