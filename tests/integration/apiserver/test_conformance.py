"""The cluster tests, held against the embedded API server."""

from importlib import import_module

import pytest

_AREAS = (
    "access", "apply", "clients", "crud", "deletion", "discovery", "events", "kubectl", "patches", "podsecurity",
    "policies", "quota", "scale", "schemas", "selection", "watch",
    "deploy.test_admission_policy", "deploy.test_pod_security",
)  # fmt: skip

for _area in _AREAS:
    _name = f"tests.cluster.{_area}" if "." in _area else f"tests.cluster.test_{_area}"
    pytest.register_assert_rewrite(_name)
    for _key, _value in vars(import_module(_name)).items():
        if _key.startswith("test_") or hasattr(_value, "_fixture_function"):
            assert _key not in globals(), f"{_key} stands in two areas"
            globals()[_key] = _value
