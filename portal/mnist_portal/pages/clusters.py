"""Clusters: who holds CPUs and GPUs, what runs where, what waits; shared ones are started and stopped."""

from __future__ import annotations

from typing import Any

import yaml
from aiohttp import web

from mnist_kube.errors import ApiError
from mnist_kube.objects import Object
from mnist_kube.resources import RAYCLUSTERS, SERVICES, Resource
from mnist_portal import same
from mnist_portal.access import MANAGER, Scope, gathered
from mnist_portal.clusterview import ClusterView, QueueView, cluster_view, queue_view
from mnist_portal.examples import shared_cluster
from mnist_portal.pages.base import Page, ProblemError, see, stream

routes = web.RouteTableDef()

_LOCAL_QUEUES = tuple(
    Resource(f"kueue.x-k8s.io/{version}", "localqueues", "LocalQueue") for version in ("v1beta2", "v1beta1")
)
_MOST_MANIFEST = 1 << 20
_PATH = "/clusters/{namespace}/{name}"


@routes.get("/clusters")
async def clusters(request: web.Request) -> web.StreamResponse:
    """The table of clusters, and Kueue's queues where there are any."""
    page = Page(request)
    return page.render("clusters.html", nav="clusters", same=same.clusters(), **await _values(page))


@routes.get("/clusters/events")
async def events(request: web.Request) -> web.StreamResponse:
    """The table, whenever a cluster or a training changes."""
    page = Page(request)
    feeds = [await page.access.clusters(), await page.access.trainings()]
    last = ""

    async def draw(changed: set[tuple[str, str]]) -> list[tuple[str, str]]:
        nonlocal last
        text = page.text("parts/clusters.html", **await _values(page))
        told = [] if text == last else [("html", text)]
        last = text
        return told

    return await stream(page, feeds, draw)


@routes.get("/clusters/new")
async def form(request: web.Request) -> web.StreamResponse:
    """A manifest to start a shared cluster with."""
    return await _shown(Page(request), shared_cluster(), "")


@routes.post("/clusters/new")
async def start(request: web.Request) -> web.StreamResponse:
    """Start a shared cluster."""
    page, data = Page(request), await request.post()
    text, namespace = str(data.get("manifest", ""))[:_MOST_MANIFEST], str(data.get("namespace", ""))
    try:
        obj = yaml.safe_load(text)
    except yaml.YAMLError as error:
        return await _shown(page, text, f"That is not YAML: {getattr(error, 'problem', None) or error}", namespace)
    if not isinstance(obj, dict) or obj.get("kind") != RAYCLUSTERS.kind:
        return await _shown(page, text, "That is not one RayCluster.", namespace)
    try:
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict"}
        made = await page.access.api.request("POST", RAYCLUSTERS.path(namespace), obj, query=query)
    except ApiError as error:
        if error.status in {400, 403, 404, 409, 422}:
            return await _shown(page, text, error.message, namespace)
        raise
    (await page.access.clusters()).observe(made)
    page.say("good", f"{made['metadata']['name']} is being started.")
    return see("/clusters")


@routes.post(_PATH + "/suspend")
async def suspend(request: web.Request) -> web.StreamResponse:
    """Stop a shared cluster: its pods go, the object stays."""
    return await _set(request, True, "is being stopped: its pods go")


@routes.post(_PATH + "/resume")
async def resume(request: web.Request) -> web.StreamResponse:
    """Start a stopped cluster again."""
    return await _set(request, False, "is being started")


@routes.get(_PATH + "/dashboard")
async def dashboard(request: web.Request) -> web.StreamResponse:
    """Ray's own dashboard of a cluster, on its own origin."""
    page = Page(request)
    if page.portal.ray is None:
        raise ProblemError(
            404, "There are no Ray dashboards here", "The portal serves none.", "See the chart's values."
        )
    if not (verdict := await page.access.may("get", SERVICES, page.where[0], "proxy")):
        raise ProblemError(
            403, "You may not see that dashboard", verdict.reason, "Ask for `get` on `services/proxy` in the namespace."
        )
    cluster = await page.access.api.get(RAYCLUSTERS.path(*page.where))
    try:
        return see(await page.portal.ray.open(page.session, page.access.api, cluster))
    except LookupError:
        raise ProblemError(
            409, "The dashboard is not there yet", "The cluster has no head that runs.", "Come back when it is ready."
        ) from None


async def _set(request: web.Request, suspended: bool, done: str) -> web.StreamResponse:
    page = Page(request)
    path = RAYCLUSTERS.path(*page.where)
    view = cluster_view(await page.access.api.get(path), (await page.access.trainings()).values())
    if not view.is_shared:
        raise ProblemError(
            409, f"{view.name} belongs to a training", f"It is {view.owner}'s: the operator would put it right again.",
            f"Suspend {view.owner} instead.",
        )  # fmt: skip
    if suspended and view.runs:
        raise ProblemError(
            409, f"{view.name} is in use", f"{', '.join(view.runs)} runs on it, and would lose it.",
            "Suspend what runs on it first.",
        )  # fmt: skip
    after = await page.access.api.patch(path, {"spec": {"suspend": suspended}}, query={"fieldManager": MANAGER})
    (await page.access.clusters()).observe(after)
    page.say("good", f"{view.name} {done}.")
    return see("/clusters")


async def _values(page: Page) -> dict[str, Any]:
    access = page.access
    feed, trainings = await access.clusters(), (await access.trainings()).values()
    views = sorted(
        (cluster_view(one, trainings) for one in feed.values()), key=lambda view: (view.namespace, view.name)
    )
    namespaces = sorted({view.namespace for view in views})
    verdicts = await gathered(*(access.may("patch", RAYCLUSTERS, namespace) for namespace in namespaces))
    return {
        "clusters": views,
        "totals": _totals(views),
        "patches": dict(zip(namespaces, verdicts, strict=True)),
        "queues": await _queues(page, await access.scope(), trainings),
    }


def _totals(views: list[ClusterView]) -> dict[str, float]:
    held = [view for view in views if not view.is_suspended]
    return {"cpus": sum(float(view.cpus) for view in held), "gpus": sum(float(view.gpus) for view in held)}


async def _queues(page: Page, scope: Scope, trainings: list[Object]) -> list[QueueView]:
    """Kueue's queues, where it is installed and they may be listed."""
    for kind in _LOCAL_QUEUES:
        try:
            answers = [await page.access.api.list(kind.path(place), tries=1) for place in scope.places]
        except ApiError as error:
            if error.status in {403, 404}:
                continue  # not for us, or this version of Kueue says it otherwise, or there is none
            raise
        return [queue_view(one, trainings) for answer in answers for one in answer["items"]]
    return []


async def _shown(page: Page, text: str, problem: str, namespace: str = "") -> web.Response:
    scope = await page.access.scope()
    home = namespace or (scope.names[0] if len(scope.names) == 1 else page.access.api.connection.namespace)
    may = await page.access.may("create", RAYCLUSTERS, home)
    values = {
        "text": text,
        "problem": problem,
        "home": home,
        "names": scope.names,
        "why_not": "" if may else may.reason,
    }
    return page.render("cluster_new.html", code=422 if problem else 200, nav="clusters", **values)
