"""Show events on a training."""

from __future__ import annotations

import mnist_kube.events
from mnist_kube.client import KubeApi
from mnist_operator.api import names
from mnist_operator.builders.context import Training
from mnist_operator.builders.metadata import MANAGED_BY
from mnist_operator.lifecycle.decision import Event


class EventRecorder:
    """Writes the events that the lifecycle decided on."""

    def __init__(self, api: KubeApi) -> None:
        self._recorder = mnist_kube.events.EventRecorder(api, f"{names.GROUP}/{MANAGED_BY}", source=MANAGED_BY)

    async def record(self, training: Training, resource_version: str, event: Event) -> None:
        """Write one event about `training`."""
        about = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {
                "name": training.name,
                "namespace": training.namespace,
                "uid": training.uid,
                "resourceVersion": resource_version,
            },
        }
        await self._recorder.record(about, "Warning" if event.warning else "Normal", event.reason, event.message)
