"""One training: how it goes, its pods and events, its manifest. What is done to it is in `actions`."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from mnist_client.state import report_of
from mnist_kube.errors import ApiError
from mnist_kube.objects import Object
from mnist_kube.resources import CORE_EVENTS, PODS, SECRETS, TRAININGS
from mnist_portal import same
from mnist_portal.access import Access, Verdict
from mnist_portal.crd import spec_schema
from mnist_portal.curves import Point, joined, of_log, of_metrics, series
from mnist_portal.detail import EventView, PodView, can, events_of, figures_of, pods_of, timeline
from mnist_portal.live import Feed
from mnist_portal.manifest import applied, effective, to_yaml
from mnist_portal.pages.base import Page, attachment, stream
from mnist_portal.releases import Release, metrics_of
from mnist_portal.storage import StoreError

routes = web.RouteTableDef()

_PATH = "/trainings/{namespace}/{name}"
_LOG_S = 5.0
_LOG_LINES = 20_000


@routes.get(_PATH)
async def overview(request: web.Request) -> web.StreamResponse:
    """Curves, timeline, conditions."""
    page = Page(request)
    look = await looked(page)
    points = await points_of(page, look.training)
    values = _overview(look) | {"points": json.dumps(series(points)), "same": same.looking(*page.where)}
    return page.render("training.html", **await header(page, look, "overview"), **values)


@routes.get(_PATH + "/pods")
async def pods(request: web.Request) -> web.StreamResponse:
    """Pods with node, state and why they wait; events in words."""
    page = Page(request)
    look = await looked(page)
    return page.render("pods.html", **await header(page, look, "pods"), **_inside(look))


@routes.get(_PATH + "/manifest")
async def manifest(request: web.Request) -> web.StreamResponse:
    """The manifest as it was applied, and as it holds."""
    page = Page(request)
    look = await looked(page)
    texts: dict[str, Any] = {
        "applied": to_yaml(applied(look.training, spec_schema())),
        "effective": to_yaml(effective(look.training)),
    }
    return page.render("manifest.html", **await header(page, look, "manifest"), **texts)


@routes.get(_PATH + "/manifest.yaml")
async def download(request: web.Request) -> web.StreamResponse:
    """The manifest as a file."""
    page = Page(request)
    training = await page.access.training(*page.where)
    obj = effective(training) if request.query.get("kind") == "effective" else applied(training, spec_schema())
    name = f"{page.where[1]}.yaml"
    headers = attachment(name)
    return web.Response(text=to_yaml(obj), content_type="application/yaml", headers=headers)


@routes.get(_PATH + "/events")
async def changes(request: web.Request) -> web.StreamResponse:
    """What changes on any of the training's pages; `tab` says on which."""
    page = Page(request)
    tab = request.query.get("tab", "overview")
    look = await looked(page)
    key = page.where
    last: dict[str, str] = {}
    earlier = [point for point in await points_of(page, look.training) if not point.time] if tab == "overview" else []

    async def draw(changed: set[tuple[str, str]]) -> list[tuple[str, str]]:
        training = look.feeds[0].get(key)
        if training is None:
            return [("refresh", "page")] if key in changed else []
        now = look.anew(training)
        values = await header(page, now, tab, nav=False)
        parts = {"head": page.text("parts/training_head.html", **values)}
        if tab == "overview":
            parts |= {"stages": page.text("parts/stages.html", **_overview(now))}
            if Release.of(training) is None:
                seen = page.access.curves.of(training["metadata"]["uid"])
                parts |= {"points": json.dumps(series(joined(earlier, seen)))}
        elif tab == "pods":
            parts |= {"pods": page.text("parts/pods.html", **values, **_inside(now))}
        told = [(name, text) for name, text in parts.items() if last.get(name) != text]
        last.update(told)
        return [("points" if name == "points" else "html", text) for name, text in told]

    return await stream(page, look.feeds, draw)


# --- what the pages share --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Look:
    """A training, its pods and its events, and the feeds that they come from."""

    training: Object
    feeds: list[Feed]
    pods: list[PodView]
    events: list[EventView]
    unseen: dict[str, str]
    """Of pods and events, why they cannot be seen."""

    def anew(self, training: Object) -> Look:
        """Look again, at what the feeds hold now."""
        return _seen(training, self.feeds, self.unseen)


async def looked(page: Page) -> Look:
    """Look at the training that the address names. Raises ApiError."""
    access, (namespace, name) = page.access, page.where
    await access.look_into(namespace)
    feed = await access.training_feed(namespace)
    training = await access.training(namespace, name)
    feeds, unseen = [feed], {}
    may_pods, may_events = await access.rights(namespace, ("list", PODS, ""), ("list", CORE_EVENTS, ""))
    for what, verdict, make in (("pods", may_pods, access.pods), ("events", may_events, access.events)):
        if verdict:
            feeds.append(await make(namespace))
        else:
            unseen[what] = verdict.reason
    for one in feeds[1:]:
        await _settled(one)
    return _seen(training, feeds, unseen)


async def _settled(feed: Feed) -> None:
    """Give a feed that has just begun a moment to be filled; what comes later the page gets as a change."""
    try:
        await feed.ready(2.0)
    except ApiError:
        return


def _seen(training: Object, feeds: list[Feed], unseen: dict[str, str]) -> Look:
    namespace = training["metadata"]["namespace"]

    def held(plural: str) -> list[Object]:
        found = [obj for feed in feeds if feed.resource.plural == plural for obj in feed.values()]
        return [obj for obj in found if obj["metadata"].get("namespace") == namespace]

    views = pods_of(training, held("pods"))
    return Look(training, feeds, views, events_of(training, views, held("events")), unseen)


async def header(page: Page, look: Look, tab: str, nav: bool = True) -> dict[str, Any]:
    """Return what the head of each page of a training shows: figures, tabs, and what may be done, with the reasons."""
    namespace, name = page.where
    training = look.training
    status = training.get("status") or {}
    values = {
        "namespace": namespace,
        "name": name,
        "training": training,
        "status": status,
        "figures": figures_of(training),
        "actions": await actions_of(page.access, training),
        "tab": tab,
        "base": f"/trainings/{namespace}/{name}",
        "result": status.get("result") or {},
        "suspended": bool((training["spec"].get("runPolicy") or {}).get("suspend")),
        "dashboard": (status.get("rayCluster") or {}).get("name") or "",
    }
    return {**values, "nav": "trainings"} if nav else values


async def actions_of(access: Access, training: Object) -> dict[str, str]:
    """Return for each action why it cannot be done now; empty where it can."""
    namespace = training["metadata"]["namespace"]
    patch, delete, create, secret = await access.rights(
        namespace,
        ("patch", TRAININGS, ""),
        ("delete", TRAININGS, ""),
        ("create", TRAININGS, ""),
        ("get", SECRETS, ""),
    )
    state = can(training)
    needs: dict[str, Verdict] = {"suspend": patch, "resume": patch, "scale": patch, "delete": delete, "retry": create}
    reasons = {name: state[name] or ("" if verdict else verdict.reason) for name, verdict in needs.items()}
    return {**reasons, "store": "" if secret else secret.reason}


def _overview(look: Look) -> dict[str, Any]:
    status = look.training.get("status") or {}
    return {
        "moments": timeline(look.training, look.events),
        "conditions": status.get("conditions") or [],
        "failure": status.get("lastFailure") or {},
    }


def _inside(look: Look) -> dict[str, Any]:
    return {"pods": look.pods, "events": look.events, "unseen": look.unseen}


async def points_of(page: Page, training: Object) -> list[Point]:
    """Return the training's curve: the whole one of its release, or what the feed has seen of it."""
    release = Release.of(training)
    if release is not None:
        try:
            return of_metrics(await metrics_of(page.access, release))
        except StoreError:
            pass  # who may not read the bucket sees what the status said
    seen = page.access.curves.of(training["metadata"]["uid"])
    epochs = report_of(training).get("epoch") or 0
    if epochs > 1 and (not seen or seen[0].epoch > 1):
        return joined(of_log(await _log_so_far(page, training)), seen)
    return seen


async def _log_so_far(page: Page, training: Object) -> str:
    """The log of the present attempt as far as it is, for what the portal was not there to see; empty without."""
    namespace, name = page.where
    attempt = (training.get("status") or {}).get("attempt")
    labels = f"mnist.training/training={name},app.kubernetes.io/component=submitter"
    selector = f"{labels},ray.io/originated-from-cr-name={name}-{attempt}"
    text = bytearray()
    try:
        async with asyncio.timeout(_LOG_S):
            pods = (await page.access.api.list(PODS.path(namespace), {"labelSelector": selector}))["items"]
            for pod in sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp"))):
                query = {"container": pod["spec"]["containers"][0]["name"], "tailLines": str(_LOG_LINES)}
                path = PODS.path(namespace, pod["metadata"]["name"], "log")
                async with contextlib.aclosing(page.access.api.stream(path, query, _LOG_S)) as chunks:
                    async for chunk in chunks:
                        text += chunk
    except (ApiError, TimeoutError):
        pass  # no right, or no pod: the curve begins where it was first seen
    return text.decode(errors="replace")
