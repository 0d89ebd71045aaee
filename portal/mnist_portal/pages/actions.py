"""What is done to a training: suspend, resume, scale, delete. Each is one request of whoever asks, and no more."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from mnist_kube.objects import Object
from mnist_kube.resources import TRAININGS
from mnist_portal import same
from mnist_portal.access import MANAGER
from mnist_portal.detail import can
from mnist_portal.pages.base import Page, ProblemError, see
from mnist_portal.pages.training import actions_of

routes = web.RouteTableDef()

_PATH = "/trainings/{namespace}/{name}"
_MOST_WORKERS = 256


@routes.get(_PATH + "/suspend")
async def ask_suspend(request: web.Request) -> web.StreamResponse:
    """Say what a suspension does."""
    return await _asked(request, "suspend")


@routes.get(_PATH + "/resume")
async def ask_resume(request: web.Request) -> web.StreamResponse:
    """Say what going on does."""
    return await _asked(request, "resume")


@routes.get(_PATH + "/scale")
async def ask_scale(request: web.Request) -> web.StreamResponse:
    """Ask for the number of workers."""
    return await _asked(request, "scale")


@routes.get(_PATH + "/delete")
async def ask_delete(request: web.Request) -> web.StreamResponse:
    """Say what goes, and what stays."""
    return await _asked(request, "delete")


@routes.post(_PATH + "/suspend")
async def suspend(request: web.Request) -> web.StreamResponse:
    """Stop the training and free its cluster."""
    return await _patched(request, "suspend", {"runPolicy": {"suspend": True}}, "is being suspended")


@routes.post(_PATH + "/resume")
async def resume(request: web.Request) -> web.StreamResponse:
    """Let a suspended training go on."""
    return await _patched(request, "resume", {"runPolicy": {"suspend": False}}, "goes on")


@routes.post(_PATH + "/scale")
async def scale(request: web.Request) -> web.StreamResponse:
    """Train with another number of workers."""
    text = str((await request.post()).get("replicas", ""))
    if not text.isdigit() or not 1 <= int(text) <= _MOST_WORKERS:
        raise ProblemError(
            422, "That is no number of workers", f"{text[:20]!r} is not a whole number from 1 to {_MOST_WORKERS}.",
            "Go back, and give another one.",
        )  # fmt: skip
    return await _patched(request, "scale", {"workers": {"replicas": int(text)}}, f"is scaled to {text} workers")


@routes.post(_PATH + "/delete")
async def delete(request: web.Request) -> web.StreamResponse:
    """Delete the training that was looked at, and no later one of the same name."""
    page = Page(request)
    namespace, name = page.where
    uid = str((await request.post()).get("uid", ""))
    if not uid:
        raise ProblemError(400, "Nothing was deleted", "The form named no training.", "Reload the page.")
    await page.access.api.delete(TRAININGS.path(namespace, name), uid)
    page.say("good", f"{name} is being deleted. Its model stays in the bucket.")
    return see("/trainings")


async def _asked(request: web.Request, action: str) -> web.StreamResponse:
    page = Page(request)
    namespace, name = page.where
    training = await page.access.training(namespace, name)
    replicas = (training["spec"].get("workers") or {}).get("replicas", 1)
    commands = {
        "suspend": lambda: same.suspending(namespace, name, True),
        "resume": lambda: same.suspending(namespace, name, False),
        "scale": lambda: same.scaling(namespace, name, replicas),
        "delete": lambda: same.deleting(namespace, name),
    }
    values: dict[str, Any] = {
        "namespace": namespace,
        "name": name,
        "base": f"/trainings/{namespace}/{name}",
        "action": action,
        "why_not": (await actions_of(page.access, training))[action],
        "training": training,
        "replicas": replicas,
        "bounds": (training["spec"].get("workers") or {}),
        "result": (training.get("status") or {}).get("result") or {},
        "output": (training["spec"].get("storage") or {}).get("output", ""),
        "same": commands[action](),
    }
    return page.render("action.html", nav="trainings", **values)


async def _patched(request: web.Request, action: str, spec: Object, done: str) -> web.StreamResponse:
    page = Page(request)
    namespace, name = page.where
    training = await page.access.training(namespace, name)
    if reason := can(training)[action]:
        raise ProblemError(409, f"{name} cannot {action}", f"{name}: {reason}.", "Reload the page to see where it is.")
    path = TRAININGS.path(namespace, name)
    after = await page.access.api.patch(path, {"spec": spec}, query={"fieldManager": MANAGER})
    (await page.access.training_feed(namespace)).observe(after)
    page.say("good", f"{name} {done}.")
    return see(f"/trainings/{namespace}/{name}")
