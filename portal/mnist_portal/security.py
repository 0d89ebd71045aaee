"""What every request passes, and every answer carries.

- The Host must be one of the portal's own names: a page elsewhere whose name was pointed at this address (DNS
  rebinding) is told nothing.
- What changes something must come from a page of the portal (Origin, or Sec-Fetch-Site where a browser sends no
  Origin) and carry the session's own token (CSRF).
- The content security policy allows nothing but this server's own files: no inline script or style, nothing from
  elsewhere, no framing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from mnist_portal.settings import Settings

CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD"})
_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
)
HEADERS = {
    "Content-Security-Policy": "; ".join(_POLICY),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), interest-cohort=()",
    "Cache-Control": "no-store",
}
SEALED_PAGE = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""The policy of a page that somebody else wrote (a training's report): it may show itself, and do nothing."""
TRANSPORT = "max-age=31536000"


def headers_of(settings: Settings) -> dict[str, str]:
    """Return the headers of every answer."""
    return {**HEADERS, **({"Strict-Transport-Security": TRANSPORT} if settings.secure else {})}


def knows_host(settings: Settings, host: str, port: int) -> bool:
    """Whether a request's Host header names this portal; `port` is the one that it listens on."""
    host = host.lower()
    if settings.is_local:
        return host in {f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}"}
    return host in {name.lower() for name in settings.hosts}


def is_from_here(headers: Mapping[str, str]) -> bool:
    """Whether a request comes from a page of this very host, by what only the browser can set."""
    origin = headers.get("Origin")
    if origin is not None and origin != "null":
        return urlsplit(origin).netloc.lower() == headers.get("Host", "").lower()
    return headers.get("Sec-Fetch-Site") == "same-origin"


def is_from_elsewhere(headers: Mapping[str, str]) -> bool:
    """Whether a browser came by a link on a page of somebody else: then it keeps a strict cookie to itself."""
    return headers.get("Sec-Fetch-Site") == "cross-site" and headers.get("Sec-Fetch-Mode") == "navigate"


def is_reachable_store(settings: Settings, address: str) -> bool:
    """Whether the portal may ask an object store at this IP address.

    A training names its store, and so tells the portal's pod whom to ask. Never itself, nor what serves its node's
    cloud identity (link-local). On a person's own machine they ask with their own hands.
    """
    if settings.is_local:
        return True
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return not (ip.is_loopback or ip.is_link_local or ip.is_unspecified or ip.is_multicast)


def local_path(text: str | None) -> str:
    """Return where to go next if that is a path of the portal, else the first page."""
    if text and text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable():
        return text
    return "/"
