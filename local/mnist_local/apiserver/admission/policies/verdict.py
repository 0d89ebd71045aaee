"""What one policy says of one write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.schema.cel import CelError, Program

REASONS = {"Forbidden": 403, "Invalid": 422, "RequestEntityTooLarge": 413}
"""What a validation may give as its reason, and the code that goes with it."""

program = lru_cache(maxsize=2048)(Program.compile)
"""Expressions are few and run at every write."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A validation that does not hold: its sentence, and the reason that its author gave it."""

    message: str
    reason: str = "Invalid"


def failures(policy: Obj, seen: dict[str, Any]) -> Iterator[Failure]:
    """Yield what a policy has against a write; `seen` holds the variables that its expressions see.

    An expression that fails counts as a validation that does not hold, unless `failurePolicy` is Ignore.
    """
    spec = policy["spec"]
    ignore = spec.get("failurePolicy") == "Ignore"
    try:
        if not _wanted(spec, seen):
            return
    except CelError as error:
        if not ignore:
            yield Failure(f"matchConditions: {error}")
        return
    if spec.get("paramKind"):
        if not ignore:
            yield Failure("this server does not look up a policy's parameters")
        return
    seen = {**seen, "variables": _Variables(spec, seen).values}
    for validation in spec.get("validations") or ():
        expression = validation["expression"]
        try:
            holds = program(expression).evaluate(seen)
        except CelError as error:
            if not ignore:
                yield Failure(f"expression '{expression.strip()}' resulted in error: {error}")
            continue
        if holds is not True:
            yield Failure(_message(validation, seen), validation.get("reason") or "Invalid")


def _wanted(spec: Obj, seen: dict[str, Any]) -> bool:
    failed: CelError | None = None
    for condition in spec.get("matchConditions") or ():
        try:
            if program(condition["expression"]).evaluate(seen) is not True:
                return False
        except CelError as error:
            failed = failed or error
    if failed is not None:
        raise failed
    return True


class _Variables:
    """The policy's own variables, each of which may use those before it; one that fails is missing."""

    def __init__(self, spec: Obj, seen: dict[str, Any]) -> None:
        self.values: dict[str, Any] = {}
        for variable in spec.get("variables") or ():
            try:
                self.values[variable["name"]] = program(variable["expression"]).evaluate(
                    {**seen, "variables": self.values}
                )
            except CelError:
                continue


def _message(validation: Obj, seen: dict[str, Any]) -> str:
    given = validation.get("message") or f"failed expression: {validation['expression'].strip()}"
    if not validation.get("messageExpression"):
        return str(given)
    try:
        text = program(validation["messageExpression"]).evaluate(seen)
    except CelError:
        return str(given)
    usable = isinstance(text, str) and text.strip() and "\n" not in text
    return text.strip() if usable else str(given)
