"""Signing in and out: a one-time address on one's own machine, a pasted token at a pod's login page."""

from __future__ import annotations

from aiohttp import web

from mnist_kube.errors import ApiError
from mnist_portal.identity import clean_token, of_token
from mnist_portal.pages.base import PORTAL, Page, ProblemError, cookie_name, see, set_cookie
from mnist_portal.security import local_path
from mnist_portal.settings import Mode

routes = web.RouteTableDef()


@routes.get("/enter")
async def enter(request: web.Request) -> web.StreamResponse:
    """Trade the one-time token of the address for a session."""
    portal = request.app[PORTAL]
    if portal.one_time is None or not portal.one_time.take(request.query.get("token", "")):
        raise ProblemError(
            403, "This address was used before", "Each address of the portal opens it once.",
            "`mnistctl portal` (or `mnistctl local status`) shows the next one.",
        )  # fmt: skip
    response = see(local_path(request.query.get("next")))
    set_cookie(portal, response, portal.sessions.begin(portal.local))
    return response


@routes.get("/login")
async def login(request: web.Request) -> web.StreamResponse:
    """Ask for a token; on one's own machine say where the address is."""
    return _form(request, "")


@routes.post("/login")
async def sign_in(request: web.Request) -> web.StreamResponse:
    """Begin a session with a token that the API server knows."""
    portal = request.app[PORTAL]
    if portal.settings.mode is not Mode.TOKEN:
        raise web.HTTPNotFound
    form = await request.post()
    token = clean_token(str(form.get("token", "")))
    if not token:
        return _form(request, "That is not a token: paste one that the API server takes, without quotes.")
    try:
        identity = await of_token(portal.server, token)
    except ApiError as error:
        if error.status == 401:
            return _form(request, "The API server does not know this token: it has run out, or is another cluster's.")
        return _form(request, f"The API server could not be asked: {error.message}")
    response = see(local_path(str(form.get("next", ""))))
    set_cookie(portal, response, portal.sessions.begin(identity))
    return response


@routes.post("/logout")
async def logout(request: web.Request) -> web.StreamResponse:
    """End the session, and with the identity's last one its watches."""
    page = Page(request)
    page.portal.sessions.end(page.session)
    if page.session.identity.key not in page.portal.sessions.identities():
        await page.portal.accesses.forget(page.session.identity)
    response = see("/login")
    response.del_cookie(cookie_name(page.portal), path="/")
    return response


def _form(request: web.Request, problem: str) -> web.StreamResponse:
    portal = request.app[PORTAL]
    text = portal.templates.get_template("login.html").render(
        mode=portal.settings.mode.value, next=local_path(request.query.get("next")), problem=problem
    )
    return web.Response(text=text, content_type="text/html", status=422 if problem else 200)
