"""Reconciles RayJobs that select an existing RayCluster: submits, follows, stops."""

import base64
import logging
from datetime import datetime

import aiohttp

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.events import EventRecorder
from mnist_kube.objects import Key, Object, is_terminating, key_of, labels_of
from mnist_kube.resources import JOBS, RAYJOBS, SECRETS
from mnist_kube.times import now
from mnist_local.kuberay import children, rayjob_status, submitter_jobs, typed, validation
from mnist_local.kuberay import names as k
from mnist_local.kuberay.controller import Controller, Stores
from mnist_local.kuberay.dashboard import Dashboard, DashboardError
from mnist_local.kuberay.kubelet.network import Places
from mnist_local.kuberay.rayjob_status import Limits

_NO_CLUSTER_RETRY_S = 3.0
_STARTING_S, _RUNNING_S = 0.15, 0.3  # KubeRay looks every 3 s, but here a user waits for it
_CONFLICT_RETRY_S = 0.05
_AT_ONCE = 0.0

log = logging.getLogger(__name__)


class RayJobController(Controller):
    """Takes each RayJob from one status to the next."""

    kind = "RayJob"

    def __init__(
        self,
        api: KubeApi,
        stores: Stores,
        places: Places,
        http: aiohttp.ClientSession,
        events: EventRecorder,
        limits: Limits,
    ) -> None:
        super().__init__(api, stores, events)
        self._places = places
        self._http = http
        self._limits = limits
        stores.rayjobs.on_change(lambda job, _: self.queue.add(key_of(job)))
        stores.jobs.on_change(self._on_batch_job)
        stores.clusters.on_change(self._on_cluster)

    def _on_batch_job(self, job: Object, _: bool) -> None:
        if labels_of(job).get(k.ORIGIN_KIND_LABEL) == "RayJob":
            self.queue.add((job["metadata"]["namespace"], labels_of(job)[k.ORIGIN_NAME_LABEL]))

    def _on_cluster(self, cluster: Object, _: bool) -> None:
        namespace, name = key_of(cluster)
        for job in self._stores.rayjobs.values():
            selected = (job.get("status") or {}).get("rayClusterName")
            if job["metadata"]["namespace"] == namespace and selected == name:
                self.queue.add(key_of(job))

    async def _reconcile(self, key: Key) -> float | None:
        job = self._stores.rayjobs.get(key)
        if job is None:
            return None
        if is_terminating(job):
            await self._finalize(job)
            return None
        status: Object = job.get("status") or {}
        try:
            validation.check_rayjob(job)
        except validation.RefusedError as refusal:
            note = f"{'/'.join(key)}: {refusal}"
            await self._events.record(job, "Warning", refusal.event, note, "Validate")
            return await self._write(job, rayjob_status.refused(status, str(refusal)), None)
        moment = now()
        match status.get("jobDeploymentStatus") or "":
            case "":
                job = await self._set_finalizer(job, True)
                return await self._write(job, rayjob_status.new_status(job, moment), _AT_ONCE)
            case "Initializing":
                return await self._initialize(job)
            case "Running":
                return await self._follow(job, moment)
        return None

    async def _initialize(self, job: Object) -> float | None:
        status = job["status"]
        if (cluster := await self._cluster(job)) is None:
            return _NO_CLUSTER_RETRY_S
        if (cluster.get("status") or {}).get("state") != "ready":
            again = await self._write(job, rayjob_status.waiting_for_cluster(status, cluster), _STARTING_S)
            return max(again or 0.0, _STARTING_S)
        url = f"{k.head_service_domain(cluster)}:{k.PORTS['dashboard']}"
        begun = rayjob_status.running(status, url)
        if job["spec"].get("submissionMode", "K8sJobMode") == "K8sJobMode":
            await self._ensure_submitter({**job, "status": begun}, cluster)
        return await self._write(job, begun, _AT_ONCE)

    async def _cluster(self, job: Object) -> Object | None:
        namespace, name = job["metadata"]["namespace"], job["status"]["rayClusterName"]
        cluster = self._stores.clusters.get((namespace, name))
        if cluster is None:
            note = f"RayCluster {namespace}/{name} set in the clusterSelector is not found. It must be created manually"
            await self._events.record(job, "Warning", "RayClusterNotFound", note, "Validate")
        return cluster

    async def _ensure_submitter(self, job: Object, cluster: Object) -> None:
        namespace, name = key_of(job)
        if await self._api.find(JOBS.path(namespace, name)) is not None:
            return
        body = children.submitter_job(job, cluster)
        self._stores.jobs.observe(await self._api.create(JOBS.path(namespace), body))
        note = f"Created Kubernetes Job {namespace}/{name}"
        await self._events.record(job, "Normal", "CreatedRayJobSubmitter", note, "Create")

    async def _follow(self, job: Object, moment: datetime) -> float | None:
        status = job["status"]
        late = rayjob_status.past_grace(status, self._limits, moment)
        if late is not None:
            return await self._write(job, late, None)
        if (cluster := await self._cluster(job)) is None:
            return _NO_CLUSTER_RETRY_S
        http_mode = job["spec"].get("submissionMode") == "HTTPMode"
        outcome = None
        if not http_mode:
            batch = self._stores.jobs.get(key_of(job))
            if batch is None:
                raise LookupError(f"the submitter Job of RayJob {job['metadata']['name']} is missing")
            outcome = submitter_jobs.outcome(batch)
            if final := rayjob_status.after_submitter(status, outcome, self._limits, moment):
                return await self._write(job, final, None)
        new = await self._ask(job, cluster, outcome, moment)
        starting = (new or status).get("jobStatus") in {None, "PENDING", "Failure"}
        pace = _STARTING_S if starting or outcome else _RUNNING_S
        return pace if new is None else await self._write(job, new, pace)

    async def _ask(
        self, job: Object, cluster: Object, outcome: rayjob_status.SubmitterOutcome | None, moment: datetime
    ) -> Object | None:
        """Status after asking the dashboard; None when nothing is to be written."""
        status, job_id = job["status"], job["status"]["jobId"]
        http_mode = job["spec"].get("submissionMode") == "HTTPMode"
        try:
            dashboard = await self._dashboard(cluster)
            info = await dashboard.job(job_id)
            if info is None and http_mode:
                await dashboard.submit(children.submission(job))
                return {key: value for key, value in status.items() if key != "jobStatusCheckFailureStartTime"}
        except DashboardError as error:
            return rayjob_status.unreachable(status, f"error trying to reach service: {error}", cluster, moment)
        if info is None:
            return rayjob_status.not_found(status, outcome)
        return rayjob_status.observed(status, info, cluster, submitter_done=http_mode or outcome is not None)

    async def _dashboard(self, cluster: Object) -> Dashboard:
        place = self._places.of(cluster)
        token = place.fallback_token
        if k.uses_token(cluster):
            name = k.auth_secret(cluster)
            secret = await self._api.find(SECRETS.path(cluster["metadata"]["namespace"], name))
            encoded = ((secret or {}).get("data") or {}).get(k.AUTH_TOKEN_KEY)
            if encoded is None:
                raise LookupError(f"auth token key {k.AUTH_TOKEN_KEY} not found in secret {name}")
            token = base64.b64decode(encoded).decode()
        return Dashboard(self._http, place.node.at("dashboard"), token)

    async def _set_finalizer(self, job: Object, present: bool) -> Object:
        finalizers: list[str] = job["metadata"].get("finalizers") or []
        if (k.RAYJOB_FINALIZER in finalizers) is present:
            return job
        wanted = [name for name in finalizers if name != k.RAYJOB_FINALIZER] + [k.RAYJOB_FINALIZER] * present
        changed = {**job, "metadata": {**job["metadata"], "finalizers": wanted}}
        answer = await self._api.replace(RAYJOBS.path_to(job), typed.updated(changed))
        if answer.get("kind") == "RayJob" and not is_terminating(answer):
            self._stores.rayjobs.observe(answer)
        return answer

    async def _finalize(self, job: Object) -> None:
        """Ask once that the Ray job be stopped, whatever comes of it, and let the object go."""
        if k.RAYJOB_FINALIZER not in (job["metadata"].get("finalizers") or []):
            return
        status: Object = job.get("status") or {}
        cluster = self._stores.clusters.get((job["metadata"]["namespace"], status.get("rayClusterName", "")))
        submitted = status.get("jobId") and status.get("dashboardURL")
        if submitted and cluster and status.get("jobStatus") not in rayjob_status.TERMINAL_JOB_STATUSES:
            try:
                await (await self._dashboard(cluster)).stop(status["jobId"])
            except DashboardError as error:
                log.info("RayJob %s was not stopped: %s", job["metadata"]["name"], error)
        try:
            await self._set_finalizer(job, False)
        except ApiError as error:
            if not error.not_found:
                raise

    async def _write(self, job: Object, status: Object, again_s: float | None) -> float | None:
        """Write where KubeRay would; `again_s` is when to look next if the RayJob is not finished."""
        old: Object = job.get("status") or {}
        new = rayjob_status.finished(old, status, now())
        if rayjob_status.worth_writing(old, new) and not await self._write_status(self._stores.rayjobs, job, new):
            return _CONFLICT_RETRY_S
        return None if new["jobDeploymentStatus"] in {"Complete", "Failed", "ValidationFailed"} else again_s
