"""What all pages share: who asks, drawing a template, saying what went wrong, and the stream of changes."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from mnist_kube.errors import NO_CREDENTIALS, ApiError
from mnist_portal import words
from mnist_portal.access import Access, Accesses
from mnist_portal.live import Feed, Hub
from mnist_portal.ray import RayDashboards
from mnist_portal.sessions import OneTimeToken, Session, Sessions
from mnist_portal.settings import Settings

_BEAT_S = 10.0
_GATHER_S = 0.1
_ODD = re.compile(r"[^A-Za-z0-9._-]")


@dataclass
class Portal:
    """What the handlers of one running portal share."""

    settings: Settings
    sessions: Sessions
    hub: Hub
    accesses: Accesses
    templates: Environment
    one_time: OneTimeToken | None
    server: Any
    """Modes `token` and `header`: the connection that each identity's is made from."""
    local: Any = None
    """Mode `local`: the identity of the kubeconfig."""
    port: int = 0
    ray: RayDashboards | None = None


PORTAL = web.AppKey("portal", Portal)
SESSION = web.RequestKey("session", Session)


class ProblemError(Exception):
    """What a page cannot show or do: a status, what went wrong, and what to do."""

    def __init__(self, status: int, title: str, sentence: str, todo: str = "") -> None:
        super().__init__(sentence)
        self.status, self.title, self.sentence, self.todo = status, title, sentence, todo


class _Templates(Environment):
    """Of an object of the API, a field that is not there is none; any other name that is not known is an error."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping):
            return obj[attribute] if attribute in obj else getattr(obj, attribute, None)
        return super().getattr(obj, attribute)


def environment() -> Environment:
    """Return the templates; what is put into them is escaped."""
    env = _Templates(
        loader=PackageLoader("mnist_portal"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("share", "number", "size", "duration", "since", "clock", "plain", "tone"):
        env.filters[name] = getattr(words, name)
    env.filters["code"] = _code
    env.filters["segment"] = lambda text: quote(str(text), safe="")
    env.globals["signs"] = words.SIGNS
    env.globals["time"] = _time
    return env


def _code(text: str) -> Markup:
    """A text in which `such parts` are code."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(Markup("<code>{}</code>").format(p) if i % 2 else p for i, p in enumerate(parts))


def _time(text: str | None) -> Markup:
    """A moment as the browser then says it in its own zone; without a script it is in UTC."""
    if not text:
        return Markup("")
    return Markup('<time datetime="{}">{}</time>').format(text, words.clock(text))


class Page:
    """One request of somebody who is signed in."""

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self.portal = request.app[PORTAL]
        self.session = request[SESSION]

    @cached_property
    def access(self) -> Access:
        """The cluster as whoever asks sees it."""
        return self.portal.accesses.of(self.session.identity)

    @property
    def where(self) -> tuple[str, str]:
        """Namespace and name in the address."""
        return self.request.match_info["namespace"], self.request.match_info["name"]

    def render(self, template: str, *, code: int = 200, **values: Any) -> web.Response:
        """Draw a template; `code` is the answer's status."""
        return web.Response(text=self.text(template, **values), content_type="text/html", status=code)

    def text(self, template: str, **values: Any) -> str:
        """Draw a template as text."""
        said, self.session.said = (self.session.said, []) if "nav" in values else ([], self.session.said)
        return self.portal.templates.get_template(template).render(
            user=self.session.identity.name,
            csrf=self.session.csrf,
            settings=self.portal.settings,
            said=said,
            has_ray=self.portal.ray is not None,
            **values,
        )

    def say(self, tone: str, sentence: str) -> None:
        """Have something said on the next page."""
        self.session.said = [*self.session.said, (tone, sentence)][-5:]

    def is_signed_in(self) -> bool:
        """Whether the session is still good; looking does not keep it alive."""
        return self.portal.sessions.holds(self.session)


def attachment(name: str) -> dict[str, str]:
    """Return the header that has the browser keep an answer as a file; of the name only what is harmless stays."""
    return {"Content-Disposition": f'attachment; filename="{_ODD.sub("_", name)}"'}


def see(location: str) -> web.Response:
    """Return the answer that sends the browser to a page after something was done."""
    return web.Response(status=303, headers={"Location": location})


# --- the session's cookie ---------------------------------------------------------------------------------------------


def set_cookie(portal: Portal, response: web.StreamResponse, session: Session) -> None:
    """Let the browser keep the session, where no script and no other site gets at it."""
    response.set_cookie(
        cookie_name(portal), session.id, path="/", httponly=True, samesite="Strict", secure=portal.settings.secure,
    )  # fmt: skip


def cookie_name(portal: Portal) -> str:
    """Return the cookie's name: another portal on this machine has another port, and so another name.

    Browsers take a name that begins with __Host- only from HTTPS, for this host alone and for all its paths.
    """
    if portal.settings.secure:
        return "__Host-mnist-portal"
    return f"mnist-portal-{portal.port}"


# --- what went wrong -------------------------------------------------------------------------------------------------


def explained(error: ApiError) -> ProblemError:
    """Return what a refusal of the API server means, and what to do about it."""
    if error.status == 401 or error.reason == NO_CREDENTIALS:
        return ProblemError(401, "Your credentials have run out", error.message, "Sign in again with a new token.")
    if error.status == 403:
        return ProblemError(
            403,
            "You may not do that",
            error.message,
            "Ask whoever administers the namespace for the role `edit` there, or for `view` to look only.",
        )
    if error.not_found and "could not find the requested resource" in error.message:
        return ProblemError(
            404,
            "This cluster does not know that kind of object",
            error.message,
            "Have the operator's chart installed, and KubeRay.",
        )
    if error.not_found:
        return ProblemError(404, "There is no such object", error.message, "It was deleted, or the name is another.")
    if error.status in {400, 409, 422}:
        return ProblemError(error.status, "The API server refuses that", error.message, "Change it and try again.")
    if error.not_reached or error.status in {0, 502, 503, 504}:
        return ProblemError(
            503, "The API server cannot be reached", error.message, "This page tries again by itself as you reload it."
        )
    return ProblemError(502, "The API server failed", error.message, "Try again in a moment.")


# --- changes as they happen ------------------------------------------------------------------------------------------

Fragments = AsyncGenerator[tuple[str, str], None]
Draw = Callable[[set[tuple[str, str]]], Awaitable[list[tuple[str, str]]]]
"""Given the keys of what changed, returns events, each a name and its data."""


async def stream(page: Page, feeds: list[Feed], draw: Draw) -> web.StreamResponse:
    """Send a page's changes as server-sent events, until the browser goes away or the session ends.

    `draw` is called first with nothing changed, for whatever happened while the page was on its way. Changes that come
    while the last ones are written are told together. Every event ends with whether what is watched is in reach.
    """
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    await response.prepare(page.request)
    with contextlib.ExitStack() as stack:
        subscriptions = [stack.enter_context(feed.subscribed()) for feed in feeds]
        changed: set[tuple[str, str]] | None = set()
        while True:
            if not page.is_signed_in():
                await _send(response, [("expired", "")])
                break
            if any(one.is_over for one in subscriptions):
                break
            problem = next((feed.problem for feed in feeds if feed.problem), None)
            try:
                await page.access.verify()
                events = [] if changed is None else await draw(changed)
            except ApiError as error:
                events, problem = [], error
            try:
                await _send(response, [*events, _state(problem)])
            except ConnectionError:
                break
            changed = await _changes(subscriptions)
    return response


def _state(problem: ApiError | None) -> tuple[str, str]:
    if problem is None:
        return "ok", ""
    if problem.status == 401:
        return "expired", ""
    said = explained(problem)
    return "problem", f"{said.title}: what is shown may be out of date. ({' '.join(problem.message.split())[:300]})"


async def _changes(subscriptions: list[Any]) -> set[tuple[str, str]] | None:
    """Wait for a change in any feed; None when it is only time to show that the connection lives."""
    waits = [asyncio.create_task(one.changes(_BEAT_S)) for one in subscriptions]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(_GATHER_S)
        found = [task.result() for task in waits if task.done()]
    finally:
        for task in waits:
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
    told = [keys for keys in found if keys is not None]
    return {key for keys in told for key in keys} if told else None


async def _send(response: web.StreamResponse, events: list[tuple[str, str]]) -> None:
    text = "".join(
        f"event: {name}\n" + "".join(f"data: {line}\n" for line in (data or "-").splitlines()) + "\n"
        for name, data in events
    )
    await response.write(text.encode())
