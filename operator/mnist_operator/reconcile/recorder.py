"""Show events on a training (events.k8s.io/v1)."""

from __future__ import annotations

import logging
import socket
from datetime import UTC, datetime

from mnist_operator.api import names
from mnist_operator.builders.context import Training
from mnist_operator.builders.metadata import MANAGED_BY
from mnist_operator.kube.client import ApiError, KubeApi
from mnist_operator.kube.paths import collection_path
from mnist_operator.lifecycle.decision import Event

logger = logging.getLogger(__name__)
_NOTE_LIMIT = 1024


class EventRecorder:
    """Writes events. An event that cannot be written is logged and not missed: the status says the same."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self._instance = socket.gethostname()[:128] or MANAGED_BY

    async def record(self, training: Training, resource_version: str, event: Event) -> None:
        """Write one event about `training`."""
        body = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"generateName": f"{training.name}-", "namespace": training.namespace},
            "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": f"{names.GROUP}/{MANAGED_BY}",
            "reportingInstance": self._instance,
            "action": "Reconcile",
            "reason": event.reason,
            "type": "Warning" if event.warning else "Normal",
            "note": event.message[:_NOTE_LIMIT],
            "regarding": {
                "apiVersion": names.API_VERSION,
                "kind": names.KIND,
                "name": training.name,
                "namespace": training.namespace,
                "uid": training.uid,
                "resourceVersion": resource_version,
            },
        }
        try:
            await self._api.create(collection_path("events.k8s.io/v1", "Event", training.namespace), body)
        except ApiError as error:
            logger.warning("event %s could not be written: %s", event.reason, error)
