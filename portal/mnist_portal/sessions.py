"""Who is signed in: sessions in this process's memory, and nowhere else.

A session's id is the cookie's value, 256 random bits. The token that it stands for never leaves the server. So a stolen
cookie acts as its person until the session ends (by itself, by "Sign out", or with the process), from wherever the
portal can be reached, and gives nobody the token itself.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mnist_portal.identity import Identity


@dataclass
class Session:
    """One browser of one person."""

    id: str = field(repr=False)
    identity: Identity
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    began: float = 0.0
    seen: float = 0.0
    said: list[tuple[str, str]] = field(default_factory=list)
    """Tone and sentence of what is to be said on the next page."""

    def accepts(self, csrf: str) -> bool:
        """Whether a form or a request carries this session's own token."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode())


class Sessions:
    """All sessions, at most so many; who was idle longest goes first.

    Args:
        life: seconds from the start to the end, whatever is done.
        idle: seconds without a request after which a session ends.
        most: sessions at a time.
        clock: the time in seconds.
    """

    def __init__(self, life: float, idle: float, most: int = 1000, clock: Callable[[], float] = time.monotonic) -> None:
        self._life, self._idle, self._most, self._clock = life, idle, most, clock
        self._by_id: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def begin(self, identity: Identity) -> Session:
        """Return a new session."""
        self.sweep()
        while len(self._by_id) >= self._most:
            del self._by_id[min(self._by_id, key=lambda key: self._by_id[key].seen)]
        now = self._clock()
        session = Session(secrets.token_urlsafe(32), identity, began=now, seen=now)
        self._by_id[session.id] = session
        return session

    def find(self, id_: str) -> Session | None:
        """Return the session of a cookie's value, if it is still good; being asked for keeps it alive."""
        session = self._by_id.get(id_)
        if session is None:
            return None
        if self._is_over(session):
            del self._by_id[id_]
            return None
        session.seen = self._clock()
        return session

    def holds(self, session: Session) -> bool:
        """Whether a session is still good; asking does not keep it alive."""
        return self._by_id.get(session.id) is session and not self._is_over(session)

    def end(self, session: Session) -> None:
        """Forget a session."""
        self._by_id.pop(session.id, None)

    def sweep(self) -> None:
        """Forget those that are over."""
        for key in [key for key, session in self._by_id.items() if self._is_over(session)]:
            del self._by_id[key]

    def identities(self) -> set[str]:
        """Return the keys of those who are signed in."""
        return {session.identity.key for session in self._by_id.values()}

    def _is_over(self, session: Session) -> bool:
        now = self._clock()
        return now - session.began > self._life or now - session.seen > self._idle


class OneTimeToken:
    """Opens the portal once, and then no more; the next one is another."""

    def __init__(self, on_new: Callable[[str], None] = lambda token: None) -> None:
        self._on_new = on_new
        self.value = ""
        self.renew()

    def renew(self) -> None:
        """Make another one."""
        self.value = secrets.token_urlsafe(32)
        self._on_new(self.value)

    def take(self, token: str) -> bool:
        """Whether this is it; it is used up then."""
        if not hmac.compare_digest(token.encode(), self.value.encode()):
            return False
        self.renew()
        return True
