"""What workers send is plain: the driver and the coordinator must not have to import torch to read it."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path


def test_messages_are_read_without_torch(tmp_path):
    code = f"""
import pickle, numpy as np, torch
from mnist_trainer.state import LoopState, encode_state
from mnist_trainer.events import EpochFinished, Finished
from tests.unit.trainer.release_support import record
from mnist_trainer.workers.worker import versions
finished = Finished([], {{"w": torch.ones(3).numpy()}}, 0.5, 0.1, torch.ones(2).long().numpy(), np.ones(2), np.ones(2),
                    versions(), str(torch.device("cpu")), 1.0)
state = encode_state(LoopState(1, 1, {{"values": torch.ones(3)}}, []))
pickle.dump([finished, EpochFinished(record(1), state)], open({str(tmp_path / "m")!r}, "wb"))
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    code = f"import pickle, sys; pickle.load(open({str(tmp_path / 'm')!r}, 'rb')); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_the_operator_has_workers_preload_is_all_that_training_imports():
    contract = json.loads((Path(__file__).parents[3] / "contracts/trainer.json").read_text())
    code = f"""
import importlib, sys
for name in {contract["preload"]}:
    importlib.import_module(name)
before = set(sys.modules)
import mnist_trainer.train, mnist_trainer.workers.actor, mnist_trainer.workers.worker
print(sorted(name for name in set(sys.modules) - before if not name.startswith("ray.")))
"""
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "['mnist_trainer.workers.actor']"


def test_plans_travel_without_torch():
    from mnist_trainer.plan import ModelSpec, Normalisation, TrainingPlan, make_recipe
    from mnist_trainer.workers.protocol import WorkerInputs

    plan = TrainingPlan(ModelSpec("cnn", 10), make_recipe("cnn", 100, 1, 8, 1, None), Normalisation(0.1, 0.2))
    data = pickle.dumps(WorkerInputs([None], plan))
    code = "import pickle, sys; pickle.load(sys.stdin.buffer); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], input=data, check=False).returncode == 0
