"""Show events on a training, as client-go's recorder does: core/v1 Events, which every kubectl sorts and prints.

`kubectl get events --sort-by=.lastTimestamp` and `kubectl describe` go by `lastTimestamp`, in whole seconds, and leave
events of one second in the order of the API: that of their names. So the times are set, which the API allows in core/v1
alone, and a name holds the nanosecond, as client-go has it.
"""

from __future__ import annotations

import logging
import socket
import time
from datetime import UTC, datetime

from mnist_operator.api import names
from mnist_operator.builders.context import Training
from mnist_operator.builders.metadata import MANAGED_BY
from mnist_operator.kube.client import ApiError, KubeApi
from mnist_operator.kube.paths import collection_path
from mnist_operator.lifecycle.clock import timestamp
from mnist_operator.lifecycle.decision import Event

logger = logging.getLogger(__name__)
_MESSAGE_LIMIT = 1024


class EventRecorder:
    """Writes events. An event that cannot be written is logged and not missed: the status says the same."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self._instance = socket.gethostname()[:128] or MANAGED_BY
        self._last = 0

    async def record(self, training: Training, resource_version: str, event: Event) -> None:
        """Write one event about `training`."""
        self._last = nanoseconds = max(time.time_ns(), self._last + 1)
        now = datetime.fromtimestamp(nanoseconds / 1e9, UTC)
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{training.name}.{nanoseconds:016x}", "namespace": training.namespace},
            "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "firstTimestamp": timestamp(now),
            "lastTimestamp": timestamp(now),
            "count": 1,
            "source": {"component": MANAGED_BY, "host": self._instance},
            "reportingComponent": f"{names.GROUP}/{MANAGED_BY}",
            "reportingInstance": self._instance,
            "action": "Reconcile",
            "reason": event.reason,
            "type": "Warning" if event.warning else "Normal",
            "message": event.message[:_MESSAGE_LIMIT],
            "involvedObject": {
                "apiVersion": names.API_VERSION,
                "kind": names.KIND,
                "name": training.name,
                "namespace": training.namespace,
                "uid": training.uid,
                "resourceVersion": resource_version,
            },
        }
        try:
            await self._api.create(collection_path("v1", "Event", training.namespace), body)
        except ApiError as error:
            logger.warning("event %s could not be written: %s", event.reason, error)
