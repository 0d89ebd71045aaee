"""Reconciles RayJobs that select an existing RayCluster."""

import base64
import logging
from dataclasses import dataclass
from datetime import datetime

import aiohttp

from mnist_local.kuberay import batch_job, clock, names, objects, rayjob_status, submitter, typed, validation
from mnist_local.kuberay import constants as k
from mnist_local.kuberay.dashboard import Dashboard, DashboardError
from mnist_local.kuberay.events import EventRecorder
from mnist_local.kuberay.json_types import Json, Key, is_terminating, key_of, labels_of
from mnist_local.kuberay.kubeapi import JOBS, RAYJOBS, SECRETS, ApiError, KubeApi, is_conflict, is_not_found
from mnist_local.kuberay.kubelet.places import Places
from mnist_local.kuberay.rayjob_status import Limits
from mnist_local.kuberay.stores import Stores
from mnist_local.kuberay.workqueue import WorkQueue

_NO_CLUSTER_RETRY_S = 3.0
_AT_ONCE = 0.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """Seconds between two looks: KubeRay looks every 3 s, but here a user waits for it."""

    starting_s: float = 0.15
    running_s: float = 0.3


class TokenMissingError(LookupError):
    """A cluster with token authentication whose token cannot be read: KubeRay can do nothing, not even let go."""


class RayJobController:
    """Submits, follows, stops."""

    def __init__(
        self,
        api: KubeApi,
        stores: Stores,
        places: Places,
        http: aiohttp.ClientSession,
        events: EventRecorder,
        limits: Limits,
        pace: Pace,
    ) -> None:
        """Subscribes to the stores; `queue.run` does the work."""
        self._api = api
        self._stores = stores
        self._places = places
        self._http = http
        self._events = events
        self._limits = limits
        self._pace = pace
        self.queue = WorkQueue("RayJob", self._reconcile)
        stores.rayjobs.subscribe(lambda job, _: self.queue.add(key_of(job)))
        stores.jobs.subscribe(self._on_batch_job)
        stores.clusters.subscribe(self._on_cluster)

    def _on_batch_job(self, job: Json, _: bool) -> None:
        if labels_of(job).get(k.ORIGIN_KIND_LABEL) == "RayJob":
            self.queue.add((job["metadata"]["namespace"], labels_of(job)[k.ORIGIN_NAME_LABEL]))

    def _on_cluster(self, cluster: Json, _: bool) -> None:
        namespace, name = key_of(cluster)
        for job in self._stores.rayjobs.values():
            selected = (job.get("status") or {}).get("rayClusterName")
            if job["metadata"]["namespace"] == namespace and selected == name:
                self.queue.add(key_of(job))

    async def _reconcile(self, key: Key) -> float | None:
        job = self._stores.rayjobs.get(*key)
        if job is None or validation.is_foreign(job):
            return None
        if is_terminating(job):
            await self._finalize(job)
            return None
        status: Json = job.get("status") or {}
        try:
            validation.check_rayjob(job)
        except validation.RefusedError as refusal:
            note = f"{'/'.join(key)}: {refusal}"
            await self._events.record(job, "Warning", refusal.event, note, "Validate")
            return await self._write(job, rayjob_status.refused(status, str(refusal)), None)
        now = clock.now()
        match status.get("jobDeploymentStatus") or "":
            case "":
                job = await self._add_finalizer(job)
                return await self._write(job, rayjob_status.new_status(job, now), _AT_ONCE)
            case "Initializing":
                return await self._initialize(job, now)
            case "Running":
                return await self._follow(job, now)
        return None

    # --- stages ------------------------------------------------------------------------------------------------

    async def _initialize(self, job: Json, now: datetime) -> float | None:
        if late := rayjob_status.past_deadline(job, now):
            return await self._write(job, late, None)
        status = job["status"]
        namespace, name = job["metadata"]["namespace"], status["rayClusterName"]
        cluster = self._stores.clusters.get(namespace, name)
        if cluster is None:
            note = f"RayCluster {namespace}/{name} set in the clusterSelector is not found. It must be created manually"
            await self._events.record(job, "Warning", "RayClusterNotFound", note, "Validate")
            return _NO_CLUSTER_RETRY_S
        if (cluster.get("status") or {}).get("state") != "ready":
            again = await self._write(job, rayjob_status.waiting_for_cluster(status, cluster), self._pace.starting_s)
            return max(again or 0.0, self._pace.starting_s)
        url = f"{names.head_service_domain(cluster)}:{k.PORTS['dashboard']}"
        begun = rayjob_status.running(status, url)
        if job["spec"].get("submissionMode", "K8sJobMode") == "K8sJobMode":
            await self._ensure_submitter({**job, "status": begun}, cluster)
        return await self._write(job, begun, _AT_ONCE)

    async def _ensure_submitter(self, job: Json, cluster: Json) -> None:
        namespace, name = key_of(job)
        if await self._api.find(JOBS, namespace, name) is not None:
            return
        template = submitter.pod_template(job, cluster)
        try:
            self._stores.jobs.observe(await self._api.create(JOBS, objects.submitter_job(job, template)))
        except ApiError as error:
            note = f"Failed to create new Kubernetes Job {namespace}/{name}: {error}"
            await self._events.record(job, "Warning", "FailedToCreateRayJobSubmitter", note, "Create")
            raise
        note = f"Created Kubernetes Job {namespace}/{name}"
        await self._events.record(job, "Normal", "CreatedRayJobSubmitter", note, "Create")

    async def _follow(self, job: Json, now: datetime) -> float | None:
        status = job["status"]
        late = rayjob_status.past_deadline(job, now) or rayjob_status.past_grace(status, self._limits, now)
        if late is not None:
            return await self._write(job, late, None)
        namespace, name = job["metadata"]["namespace"], status["rayClusterName"]
        cluster = self._stores.clusters.get(namespace, name)
        if cluster is None:
            note = f"RayCluster {namespace}/{name} set in the clusterSelector is not found. It must be created manually"
            await self._events.record(job, "Warning", "RayClusterNotFound", note, "Validate")
            return _NO_CLUSTER_RETRY_S
        http_mode = job["spec"].get("submissionMode") == "HTTPMode"
        outcome = None
        if not http_mode:
            batch = self._stores.jobs.get(*key_of(job))
            if batch is None:
                raise LookupError(f"the submitter Job of RayJob {job['metadata']['name']} is missing")
            outcome = batch_job.outcome(batch)
            if final := rayjob_status.after_submitter(status, outcome, self._limits, now):
                return await self._write(job, final, None)
        new = await self._ask(job, cluster, outcome, now)
        starting = (new or status).get("jobStatus") in {None, "PENDING", "Failure"}
        pace = self._pace.starting_s if starting or outcome else self._pace.running_s
        return pace if new is None else await self._write(job, new, pace)

    async def _ask(
        self, job: Json, cluster: Json, outcome: rayjob_status.SubmitterOutcome | None, now: datetime
    ) -> Json | None:
        """Status after asking the dashboard; None when nothing is to be written."""
        status, job_id = job["status"], job["status"]["jobId"]
        http_mode = job["spec"].get("submissionMode") == "HTTPMode"
        try:
            dashboard = await self._dashboard(cluster)
            info = await dashboard.job(job_id)
            if info is None and http_mode:
                await dashboard.submit(submitter.http_request(job))
                return {key: value for key, value in status.items() if key != "jobStatusCheckFailureStartTime"}
        except DashboardError as error:
            return rayjob_status.unreachable(status, self._cause(cluster, error), cluster, self._limits, now)
        if info is None:
            return rayjob_status.not_found(status, outcome)
        return rayjob_status.observed(status, info, cluster, submitter_done=http_mode or outcome is not None)

    def _cause(self, cluster: Json, error: DashboardError) -> str:
        """What an API server's proxy would answer in the place of an unreachable dashboard."""
        head = ((cluster.get("status") or {}).get("head")) or {}
        if not head.get("podIP"):
            return f'no endpoints available for service "{names.head_service(cluster)}"'
        log.debug("dashboard of %s: %s", cluster["metadata"]["name"], error)
        target = f"{head['podIP']}:{k.PORTS['dashboard']}"
        return f"error trying to reach service: dial tcp {target}: connect: connection refused"

    async def _dashboard(self, cluster: Json) -> Dashboard:
        place = self._places.of(cluster)
        token = place.fallback_token
        if (cluster["spec"].get("authOptions") or {}).get("mode") == "token":
            name = names.auth_secret(cluster)
            secret = await self._api.find(SECRETS, cluster["metadata"]["namespace"], name)
            encoded = ((secret or {}).get("data") or {}).get(k.AUTH_TOKEN_KEY)
            if encoded is None:
                raise TokenMissingError(f"auth token key {k.AUTH_TOKEN_KEY} not found in secret {name}")
            token = base64.b64decode(encoded).decode()
        return Dashboard(self._http, place.dashboard, token)

    # --- object ------------------------------------------------------------------------------------------------

    async def _add_finalizer(self, job: Json) -> Json:
        finalizers = job["metadata"].get("finalizers") or []
        if k.RAYJOB_FINALIZER in finalizers:
            return job
        return await self._set_finalizers(job, [*finalizers, k.RAYJOB_FINALIZER])

    async def _set_finalizers(self, job: Json, finalizers: list[str]) -> Json:
        changed = {**job, "metadata": {**job["metadata"], "finalizers": finalizers}}
        answer = await self._api.replace(RAYJOBS, typed.updated(changed))
        if answer.get("kind") == "RayJob" and not is_terminating(answer):
            self._stores.rayjobs.observe(answer)
        return answer

    async def _finalize(self, job: Json) -> None:
        """Ask once that the Ray job be stopped, whatever comes of it, and let the object go."""
        finalizers = job["metadata"].get("finalizers") or []
        if k.RAYJOB_FINALIZER not in finalizers:
            return
        status: Json = job.get("status") or {}
        if status.get("jobStatus") not in rayjob_status.TERMINAL_JOB_STATUSES and status.get("jobId"):
            cluster = self._stores.clusters.get(job["metadata"]["namespace"], status.get("rayClusterName", ""))
            if cluster is not None and status.get("dashboardURL"):
                try:
                    await (await self._dashboard(cluster)).stop(status["jobId"])
                except DashboardError as error:
                    log.info("RayJob %s was not stopped: %s", job["metadata"]["name"], error)
        try:
            await self._set_finalizers(job, [name for name in finalizers if name != k.RAYJOB_FINALIZER])
        except ApiError as error:
            if not is_not_found(error):
                raise

    async def _write(self, job: Json, status: Json, again_s: float | None) -> float | None:
        """Write where KubeRay would; `again_s` is when to look next if the RayJob is not finished."""
        old: Json = job.get("status") or {}
        new = rayjob_status.finished(old, status, clock.now())
        if rayjob_status.worth_writing(old, new):
            try:
                self._stores.rayjobs.observe(await self._api.replace_status(RAYJOBS, {**job, "status": new}))
            except ApiError as error:
                if error.status != 404 and not is_conflict(error):
                    raise
                return 0.05
        return None if new["jobDeploymentStatus"] in {"Complete", "Failed", "ValidationFailed"} else again_s
