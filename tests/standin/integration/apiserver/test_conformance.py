"""The cluster tests, held against the embedded API server."""

from importlib import import_module
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parents[3] / "cluster"

for _path in sorted(_FOLDER.glob("test_*.py")):
    _name = f"tests.cluster.{_path.stem}"
    pytest.register_assert_rewrite(_name)
    for _key, _value in vars(import_module(_name)).items():
        if _key.startswith("test_") or hasattr(_value, "_fixture_function"):
            assert _key not in globals(), f"{_key} stands in two areas"
            globals()[_key] = _value
