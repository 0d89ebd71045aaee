"""From when on the watches show every change of a kind: what was listed before that has to be listed anew.

The watches begin at a version of their own, without a list: the resync lists, for both. It does so after they began, at
the start and whenever a watch had to begin anew, so that nothing is missed in between.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection


class Listings:
    """When the watches of each kind began last, by a monotonic clock."""

    def __init__(self) -> None:
        self._begun: dict[str, float] = {}
        self.changed = asyncio.Event()
        """Set when a watch begins; whoever looks clears it."""

    def watch_begins(self, kind: str) -> None:
        """Note that what a watch of `kind` has not shown from now on is not to come."""
        self._begun[kind] = time.monotonic()
        self.changed.set()

    def outdated(self, listed: dict[str, float]) -> set[str]:
        """Return the kinds whose watch began after the times at which they were `listed`."""
        return {kind for kind, begun in self._begun.items() if begun > listed.get(kind, float("-inf"))}

    async def have_begun(self, kinds: Collection[str], seconds: float) -> None:
        """Wait until all of `kinds` are watched, or for so long: there may be some that the API does not know."""
        deadline = time.monotonic() + seconds
        while set(kinds) - self._begun.keys() and (remaining := deadline - time.monotonic()) > 0:
            self.changed.clear()
            try:
                await asyncio.wait_for(self.changed.wait(), remaining)
            except TimeoutError:
                return
