"""Ray's own dashboard of a cluster, through the portal: on an origin of its own, and with its token kept here.

A dashboard is a page that somebody else's image serves. So it never comes from the portal's own origin, where it could
do what the person can: it has a port (in a cluster: a host) of its own, without cookies. Its address holds a ticket, a
random name for one cluster and one session, good as long as that session is. What it asks for goes through the API
server's proxy of Services, as the person, who needs the right to `get` `services/proxy`; Ray's token is added on the
way. Only GET goes through: a dashboard can also start jobs, and that is not what looking is for.
"""

from __future__ import annotations

import base64
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import web

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.objects import Object
from mnist_kube.resources import SECRETS, SERVICES
from mnist_portal.sessions import Session, Sessions
from mnist_portal.settings import Settings

_MOST_TICKETS = 1000
_PORT = 8265
_HEADER = "X-Ray-Authorization"
_POLICY = "default-src 'self' 'unsafe-inline' data: blob:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Ticket:
    """What one address of a dashboard stands for."""

    session: Session
    api: KubeApi
    namespace: str
    service: str
    token: str

    def target(self, path: str, query: str) -> str:
        """Return where the API server's proxy has a path of the dashboard."""
        base = f"{SERVICES.path(self.namespace, self.service)}:{_PORT}/proxy"
        return f"{base}/{quote(path, safe='/:@!$&()*+,;=~')}" + (f"?{query}" if query else "")


class RayDashboards:
    """The dashboards' tickets, and the application that serves them.

    Args:
        settings: what an installation chose.
        sessions: who is signed in.
    """

    def __init__(self, settings: Settings, sessions: Sessions) -> None:
        self._settings, self._sessions = settings, sessions
        self._tickets: OrderedDict[str, Ticket] = OrderedDict()
        self.port = 0

    @property
    def base(self) -> str:
        """The origin that browsers see."""
        return self._settings.ray_url or f"http://127.0.0.1:{self.port}"

    async def open(self, session: Session, api: KubeApi, cluster: Object) -> str:
        """Return the address of a cluster's dashboard. Raises ApiError, and LookupError where no head runs."""
        service = ((cluster.get("status") or {}).get("head") or {}).get("serviceName")
        if not service:
            raise LookupError(cluster["metadata"]["name"])
        token = await _token(api, cluster)
        name = secrets.token_urlsafe(32)
        self._tickets[name] = Ticket(session, api, cluster["metadata"]["namespace"], service, token)
        while len(self._tickets) > _MOST_TICKETS:
            self._tickets.popitem(last=False)
        return f"{self.base}/{name}/"

    def app(self) -> web.Application:
        """Return the application of the dashboards' port."""
        app = web.Application()
        app.router.add_get("/{ticket}/{path:.*}", self._serve)
        app.on_response_prepare.append(_carry_headers)
        return app

    async def _serve(self, request: web.Request) -> web.Response:
        if not self._knows(request.host):
            return web.Response(status=421, text="This is not the host that you asked for.\n")
        ticket = self._tickets.get(request.match_info["ticket"])
        if ticket is None or not self._sessions.holds(ticket.session):
            return web.Response(status=403, text="This address is not good any more: open the dashboard anew.\n")
        path = request.match_info["path"]
        if {".", ".."} & set(path.split("/")):
            return web.Response(status=400, text="A path with dots leads elsewhere.\n")
        headers = {"Accept": request.headers.get("Accept", "*/*")}
        if ticket.token:
            headers[_HEADER] = f"Bearer {ticket.token}"
        target = ticket.target(path, request.query_string)
        try:
            answer = await ticket.api.send("GET", target, None, headers)
        except ApiError as error:
            return web.Response(status=502, text=f"The dashboard cannot be reached: {error.message}\n")
        kept = {"Content-Type": answer.headers.get("Content-Type", "application/octet-stream")}
        return web.Response(status=answer.status, body=answer.body, headers=kept)

    def _knows(self, host: str) -> bool:
        if self._settings.ray_url:
            return host.lower() == self._settings.ray_url.partition("://")[2].lower()
        return host.lower() in {f"127.0.0.1:{self.port}", f"localhost:{self.port}"}


async def _carry_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


async def _token(api: KubeApi, cluster: Object) -> str:
    """Ray's token of a cluster, read as whoever asks; empty where the cluster asks for none. Raises ApiError."""
    options = (cluster.get("spec") or {}).get("authOptions") or {}
    if options.get("mode") != "token":
        return ""
    name = options.get("secretName") or cluster["metadata"]["name"]
    secret = await api.get(SECRETS.path(cluster["metadata"]["namespace"], name))
    return base64.b64decode((secret.get("data") or {}).get("auth_token") or "").decode()
