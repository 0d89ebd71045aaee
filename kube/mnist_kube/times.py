"""Times and durations as Kubernetes writes them: RFC 3339 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def now() -> datetime:
    """Return the present, with its time zone."""
    return datetime.now(UTC)


def after(amount: float) -> datetime:
    """Return the moment in so many seconds."""
    return now() + timedelta(seconds=amount)


def timestamp(moment: datetime | None = None) -> str:
    """Return a moment (default: now) as metav1.Time, in whole seconds: 2026-11-21T05:47:31Z."""
    return (moment or now()).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_timestamp(moment: datetime | None = None) -> str:
    """Return a moment (default: now) as metav1.MicroTime."""
    return (moment or now()).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def from_unix(seconds: float) -> str:
    """Return a Unix time as metav1.Time."""
    return timestamp(datetime.fromtimestamp(seconds, UTC))


def parse(text: str) -> datetime:
    """Return the moment that `text` names; without a time zone it is UTC. Raises ValueError for what is no time."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_time(text: str | None) -> datetime | None:
    """Return the moment that `text` names; None for nothing and for what is no time."""
    try:
        return parse(text) if text else None
    except ValueError:
        return None


def seconds(amount: float) -> timedelta:
    """Return `amount` seconds as a duration."""
    return timedelta(seconds=amount)


def format_duration(whole_seconds: int) -> str:
    """Return a duration in its two greatest units, such as 2m5s; "0s" for none."""
    parts, rest = [], max(0, whole_seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2]) or "0s"
