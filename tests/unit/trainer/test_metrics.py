"""The trainer's metrics are those of the contract, which dashboards and alerts are made from."""

from __future__ import annotations

import json
from pathlib import Path

from mnist_trainer.workers.metrics import COUNTERS, GAUGES, LABELS, OWN, OWN_HELP, PREFIX

CONTRACT = json.loads((Path(__file__).parents[3] / "contracts/trainer.json").read_text())["metrics"]


def test_names_types_and_texts_are_the_contracts() -> None:
    ours = {f"ray_{PREFIX}{name}": ("gauge", text) for name, text in GAUGES.items()}
    ours |= {f"ray_{PREFIX}{name}_total": ("counter", text) for name, text in COUNTERS.items()}
    assert ours == {entry["name"]: (entry["type"], entry["help"]) for entry in CONTRACT["exported"]}
    assert list(LABELS) == CONTRACT["labels"]


def test_figures_of_the_users_own_are_one_gauge_with_their_names_as_a_label() -> None:
    own = {"name": f"ray_{PREFIX}{OWN[0]}", "type": "gauge", "labels": [OWN[1]], "help": OWN_HELP}
    assert own == CONTRACT["own"]
