"""`--set spec.training.epochs=3`, which changes a manifest on its way to the API."""

from __future__ import annotations

import copy
import re
from typing import Any

from mnist_cli.running import CommandError

_SETTABLE = ("spec", "metadata")


def overridden(body: dict[str, Any], settings: list[str]) -> dict[str, Any]:
    """A copy of a manifest with `PATH=VALUE` applied in order; values are YAML, a dot in a key needs a backslash.

    Raises CommandError for what is no such setting, or goes through something that is no object.
    """
    changed = copy.deepcopy(body)
    for setting in settings:
        path, equals, text = setting.partition("=")
        keys = [key.replace("\\.", ".") for key in re.split(r"(?<!\\)\.", path.strip())]
        if not equals or len(keys) < 2 or keys[0] not in _SETTABLE or not all(keys):
            raise CommandError(f"--set {setting}: it must look like spec.training.epochs=3")
        _put(changed, keys, _value(setting, text), setting)
    return changed


def _value(setting: str, text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise CommandError(f"--set {setting}: the value is not valid YAML; put quotes around a text") from None


def _put(body: dict[str, Any], keys: list[str], value: Any, setting: str) -> None:
    *parents, last = keys
    here = body
    for depth, key in enumerate(parents):
        if here.get(key) is None:
            here[key] = {}
        here = here[key]
        if not isinstance(here, dict):
            raise CommandError(f"--set {setting}: {'.'.join(keys[: depth + 1])} is not an object")
    here[last] = value
