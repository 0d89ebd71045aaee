"""What one identity has read of sealed releases, a few of each: they do not change."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any


class Kept:
    """Figures and models by where they lie; `releases` fills it, and asks each time whether they may be read still."""

    def __init__(self) -> None:
        self.metrics: OrderedDict[Any, dict[str, Any]] = OrderedDict()
        self.models: OrderedDict[Any, Any] = OrderedDict()
