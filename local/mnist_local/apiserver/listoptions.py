"""The query of list and watch: which combinations make sense."""

from __future__ import annotations

from collections.abc import Mapping

from mnist_local.apiserver.errors import ApiError, bad_request, invalid
from mnist_local.apiserver.schema import errors as fields
from mnist_local.apiserver.schema.errors import FieldError


def version_of(query: Mapping[str, str]) -> int | None:
    """Return the resourceVersion asked for, None where unset.

    Raises:
        ApiError: 400, not a number.
    """
    text = query.get("resourceVersion", "")
    if not text:
        return None
    if not text.isdigit():
        raise bad_request(
            f'invalid resource version: resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": '
            "invalid syntax"
        )
    return int(text)


def limit_of(query: Mapping[str, str]) -> int:
    """Return the page size asked for, 0 for all.

    Raises:
        ApiError: 400, not a number.
    """
    text = query.get("limit", "") or "0"
    try:
        return max(0, int(text))
    except ValueError:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def check(query: Mapping[str, str], watching: bool) -> None:
    """Refuse combinations that make no sense.

    Raises:
        ApiError: 422.
    """
    matching, version = query.get("resourceVersionMatch", ""), query.get("resourceVersion", "")
    initial = "sendInitialEvents" in query
    causes: list[FieldError] = []
    if matching:
        if watching and not initial:
            causes.append(_no_match("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"))
        if not version and not initial:
            causes.append(_no_match("resourceVersionMatch is forbidden unless resourceVersion is provided"))
        if query.get("continue"):
            causes.append(_no_match("resourceVersionMatch is forbidden when continue is provided"))
        if matching not in ("Exact", "NotOlderThan"):
            allowed = ("Exact", "NotOlderThan", "")
            causes.append(fields.not_supported("resourceVersionMatch", matching, allowed))
        if matching == "Exact" and version == "0":
            causes.append(_no_match('resourceVersionMatch "Exact" is forbidden for resourceVersion "0"'))
    if initial:
        causes += _check_initial(query, watching, matching)
    if causes:
        raise invalid("meta.k8s.io", "ListOptions", "", causes)


def _no_match(sentence: str) -> FieldError:
    return fields.forbidden("resourceVersionMatch", sentence)


def _check_initial(query: Mapping[str, str], watching: bool, matching: str) -> list[FieldError]:
    if not watching:
        return [fields.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")]
    causes: list[FieldError] = []
    if matching != "NotOlderThan":
        causes.append(_no_match("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"))
    if query["sendInitialEvents"].lower() == "true" and query.get("allowWatchBookmarks", "").lower() != "true":
        causes.append(fields.forbidden("allowWatchBookmarks", "sendInitialEvents requires allowWatchBookmarks"))
    return causes


def too_large(wanted: int, now: int) -> ApiError:
    """Return the 504 for a version that the server has not reached."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return ApiError(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {wanted}, current: {now}",
        {"causes": [cause], "retryAfterSeconds": 1},
        {"Retry-After": "1"},
    )
