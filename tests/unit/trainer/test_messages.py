"""What workers send is plain: the driver and the coordinator must not have to import torch to read it."""

from __future__ import annotations

import pickle
import subprocess
import sys


def test_messages_are_read_without_torch(tmp_path):
    code = f"""
import pickle, numpy as np, torch
from mnist_trainer.checkpoints.state import encode_state
from mnist_trainer.loop.job import LoopState
from mnist_trainer.raytrain.messages import EpochFinished, Finished
from mnist_trainer.raytrain.worker import versions
finished = Finished([], {{"w": torch.ones(3).numpy()}}, 0.5, 0.1, torch.ones(2).long().numpy(), np.ones(2), np.ones(2),
                    versions(), str(torch.device("cpu")), 1.0)
state = encode_state(LoopState(1, 1, {{"values": torch.ones(3)}}, []))
pickle.dump([finished, EpochFinished({{"accuracy": 0.5}}, state)], open({str(tmp_path / "m")!r}, "wb"))
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    code = f"import pickle, sys; pickle.load(open({str(tmp_path / 'm')!r}, 'rb')); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_plans_travel_without_torch():
    from mnist_trainer.plan import ModelSpec, Normalisation, TrainingPlan
    from mnist_trainer.raytrain.actor import WorkerInputs
    from mnist_trainer.recipe.recipe import make_recipe

    plan = TrainingPlan(ModelSpec("cnn", 10), make_recipe("cnn", 100, 1, 8, 1, None), Normalisation(0.1, 0.2))
    data = pickle.dumps(WorkerInputs([None], plan))
    code = "import pickle, sys; pickle.load(sys.stdin.buffer); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], input=data, check=False).returncode == 0
