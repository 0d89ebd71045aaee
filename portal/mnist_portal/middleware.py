"""What stands before every handler: the portal's own names, who asks, and whether a change comes from its own pages."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from aiohttp import web

from mnist_kube.errors import ApiError
from mnist_portal.identity import Identity, NotTrustedError, bearer_token, of_header, of_token
from mnist_portal.pages.base import (
    PORTAL,
    SESSION,
    Page,
    Portal,
    ProblemError,
    cookie_name,
    explained,
    see,
    set_cookie,
)
from mnist_portal.security import (
    CSRF_HEADER,
    SAFE_METHODS,
    headers_of,
    is_from_elsewhere,
    is_from_here,
    knows_host,
)
from mnist_portal.sessions import Session
from mnist_portal.settings import Mode

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

logger = logging.getLogger(__name__)

OPEN = frozenset({"/login", "/enter"})
_STATIC = "/static/"


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse other hosts' names, and what would change something without coming from here; say what went wrong."""
    portal = request.app[PORTAL]
    if not knows_host(portal.settings, request.host, portal.port):
        logger.warning("refused: the Host header %.100r is none of this portal's", request.host)
        return web.Response(status=421, text="This is not the host that you asked for.\n")
    try:
        if request.method not in SAFE_METHODS and not is_from_here(request.headers):
            raise ProblemError(
                403, "That did not come from this page", "The request came from another site, and nothing was done.",
                "Open the page here, and do it there.",
            )  # fmt: skip
        return await handler(request)
    except ApiError as error:
        return await _refused(request, explained(error))
    except ProblemError as problem:
        return await _refused(request, problem)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        what = "There is no such page" if error.status == 404 else error.reason
        return await _refused(request, ProblemError(error.status, what, error.reason, "Go back, or to the first page."))
    except (ConnectionError, web.RequestPayloadError):
        raise
    except Exception:
        logger.exception("%s %s failed", request.method, request.path)
        said = "The portal itself failed; its log says more."
        return await _refused(request, ProblemError(500, "Something went wrong here", said, "Try again."))


async def carry_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Put the headers of security on every answer, before it begins."""
    for name, value in headers_of(request.app[PORTAL].settings).items():
        response.headers.setdefault(name, value)
    if request.path.startswith(_STATIC):
        response.headers["Cache-Control"] = "no-cache"


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find the session of a request, or have whoever asks sign in; check that a change carries the session's token."""
    if request.path.startswith(_STATIC) or request.path in OPEN:
        return await handler(request)
    session, is_new = await _session(request)
    if session is None:
        return _sign_in(request)
    request[SESSION] = session
    if request.method not in SAFE_METHODS and not session.accepts(await _csrf(request)):
        raise ProblemError(
            403, "This page is too old", "It does not belong to your present session, and nothing was done.",
            "Reload the page, and do it again.",
        )  # fmt: skip
    await request.app[PORTAL].accesses.of(session.identity).verify()
    response = await handler(request)
    if is_new and not response.prepared:
        set_cookie(request.app[PORTAL], response, session)
    return response


async def _session(request: web.Request) -> tuple[Session | None, bool]:
    """The session of a request, and whether it is a new one.

    What proves who asks comes with the request in both modes of a pod where a proxy stands before it: then the session
    only keeps what has to be kept, and must be of that very identity.
    """
    portal = request.app[PORTAL]
    known = portal.sessions.find(request.cookies.get(cookie_name(portal), ""))
    identity = await _brought(request, portal, known)
    if identity is None:
        # Without the proxy's word, a session that needs it is none.
        return (None if portal.settings.mode is Mode.HEADER else known), False
    if known is not None and known.identity.key == identity.key:
        return known, False
    return portal.sessions.begin(identity), True


async def _brought(request: web.Request, portal: Portal, known: Session | None) -> Identity | None:
    """The identity that the request itself brings, if it does."""
    if portal.settings.mode is Mode.HEADER:
        try:
            return of_header(portal.settings, portal.server, request.headers)
        except NotTrustedError as error:
            raise ProblemError(401, "You are not signed in", str(error), "Come through the proxy.") from None
    if portal.settings.mode is Mode.TOKEN and (token := bearer_token(request.headers)):
        if known is not None and known.identity.connection.token == token:
            return known.identity
        return await of_token(portal.server, token)
    return None


def _sign_in(request: web.Request) -> web.StreamResponse:
    """Send whoever is not signed in to do that."""
    portal = request.app[PORTAL]
    if is_from_elsewhere(request.headers):
        # A browser that follows a link from another site keeps the strict cookie back. The same address asked for by a
        # page of ours brings it.
        page = portal.templates.get_template("again.html").render(path=request.path_qs)
        return web.Response(text=page, content_type="text/html")
    if portal.settings.mode is Mode.HEADER:
        raise ProblemError(401, "You are not signed in", "The proxy named no user.", "Sign in at the proxy.")
    if request.method not in SAFE_METHODS or request.headers.get("Accept", "").startswith("text/event-stream"):
        raise ProblemError(401, "You are signed out", "Your session has ended, and nothing was done.", "Sign in again.")
    if request.headers.get("HX-Request"):
        return web.Response(status=401, headers={"HX-Redirect": "/login"})
    return see(f"/login?next={quote(request.path_qs, safe='')}")


async def _csrf(request: web.Request) -> str:
    if CSRF_HEADER in request.headers:
        return request.headers[CSRF_HEADER]
    form = await request.post()
    value = form.get("csrf", "")
    return value if isinstance(value, str) else ""


async def _refused(request: web.Request, problem: ProblemError) -> web.StreamResponse:
    """The page that says what went wrong; for a part of a page only the sentence."""
    portal = request.app[PORTAL]
    session = request.get(SESSION)
    values: dict[str, Any] = {
        "status": problem.status,
        "title": problem.title,
        "sentence": problem.sentence,
        "todo": problem.todo,
    }
    if problem.status == 401 and session is not None and not portal.settings.is_local:
        portal.sessions.end(session)
        if session.identity.key not in portal.sessions.identities():
            await portal.accesses.forget(session.identity)
        request.pop(SESSION, None)
        session = None
    if request.headers.get("HX-Request"):
        text = portal.templates.get_template("parts/problem.html").render(**values)
        return web.Response(text=text, content_type="text/html", status=problem.status)
    if session is not None:
        return Page(request).render("problem.html", code=problem.status, nav="", **values)
    text = portal.templates.get_template("problem_bare.html").render(**values, can_sign_in=not portal.settings.is_local)
    return web.Response(text=text, content_type="text/html", status=problem.status)
