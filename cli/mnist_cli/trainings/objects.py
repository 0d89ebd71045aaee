"""What `local run` asks of the API: apply manifests, and print the table that `kubectl get` prints."""

from __future__ import annotations

from typing import Any

from mnist_cli.trainings.manifests import Document
from mnist_kube.client import MERGE_PATCH, KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.resources import TRAININGS
from mnist_trainer.errors import InvalidConfigError

_TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1, application/json"


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
    return await api.patch(f"{path}/{document.name}", document.body, MERGE_PATCH, query)


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


async def get(api: KubeApi, namespace: str, name: str) -> dict[str, Any]:
    """One training."""
    return await api.get(TRAININGS.path(namespace, name))


async def table(api: KubeApi, names: list[tuple[str, str]]) -> list[list[str]]:
    """Header and rows of `kubectl get mnisttrainings` for these (namespace, name)."""
    header: list[str] = []
    rows = []
    for namespace, name in names:
        answer = await api.request("GET", TRAININGS.path(namespace, name), accept=_TABLE)
        shown = [i for i, column in enumerate(answer["columnDefinitions"]) if not column.get("priority")]
        header = [answer["columnDefinitions"][i]["name"].upper() for i in shown]
        rows += [[_cell(row["cells"][i]) for i in shown] for row in answer["rows"]]
    return [header, *rows]


def aligned(rows: list[list[str]]) -> list[str]:
    """Rows as lines of text in columns, as kubectl prints them."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def one_line(text: str) -> str:
    """A text without its line breaks."""
    return " ".join(text.split())


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
