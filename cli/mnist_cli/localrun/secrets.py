"""Whether the Secrets that trainings name will be there."""

from __future__ import annotations

from typing import Any

from mnist_cli.trainings.manifests import TRAINING_KIND, Document
from mnist_kube.client import KubeApi
from mnist_kube.resources import SECRETS
from mnist_trainer.errors import InvalidConfigError


async def check(api: KubeApi, asked: list[dict[str, Any]], documents: list[Document]) -> None:
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
