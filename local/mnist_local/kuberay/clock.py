"""Times as the Kubernetes API writes them."""

from datetime import UTC, datetime


def rfc3339(moment: datetime) -> str:
    """Whole seconds, UTC: 2026-11-21T05:47:31Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro(moment: datetime) -> str:
    """Microseconds, UTC, as a MicroTime."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def now() -> datetime:
    """The present, with its time zone."""
    return datetime.now(UTC)


def timestamp() -> str:
    """The present as the API writes it."""
    return rfc3339(now())


def parse(text: str) -> datetime:
    """The moment that an API timestamp stands for."""
    return datetime.fromisoformat(text)


def from_unix(seconds: float) -> str:
    """A Unix time as the API writes it."""
    return rfc3339(datetime.fromtimestamp(seconds, UTC))
