"""The schema of a MnistTraining's spec, from the models that the CRD is made of. No I/O."""

from __future__ import annotations

from functools import cache
from typing import Any

from mnist_operator.api.crd import custom_resource_definition


@cache
def spec_schema() -> dict[str, Any]:
    """Return the structural schema of `spec`, with descriptions, bounds and defaults."""
    version = custom_resource_definition()["spec"]["versions"][0]
    found: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found
