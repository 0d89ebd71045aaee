"""A network of the user's own: what is wrong with it is said in a sentence, and a good one trains like ours."""

from __future__ import annotations

import itertools
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch
from tests.support.wait import wait_for
from tests.unit.trainer.loop_support import KilledError, Recorder, make_job, run_workers

from mnist_trainer.code.network import add_to_path, build_network
from mnist_trainer.code.redaction import Redaction
from mnist_trainer.collective import Alone
from mnist_trainer.config import parse_config
from mnist_trainer.errors import FailureReason, TrainerError
from mnist_trainer.plan import ModelSpec, lineage
from mnist_trainer.run.network_check import check_network
from mnist_trainer.train import TrainingLoop
from mnist_trainer.trial import try_network

EXAMPLES = Path(__file__).parents[3] / "examples" / "own-network"
NUMBERS = itertools.count()
HEAD = "import torch\nfrom torch import nn\n"


@pytest.fixture(autouse=True)
def path() -> Iterator[None]:
    """What is put on Python's path goes again."""
    before = list(sys.path)
    torch.set_num_threads(1)
    yield
    sys.path[:] = before


def write(folder: Path, code: str, head: str = HEAD) -> ModelSpec:
    """A module that no test has imported yet; the spec of the network that its `build` makes."""
    name = f"own_network_{next(NUMBERS)}"
    (folder / f"{name}.py").write_text(head + textwrap.dedent(code))
    return ModelSpec(f"{name}:build", 4, 12, 10, 2)


LINEAR = "nn.Sequential(nn.Flatten(), nn.Linear(240, 4))"
WRONG = {
    "an import that fails": ("import not_installed_anywhere", "import not_installed_anywhere | ModuleNotFoundError"),
    "a syntax error": ("def build(classes:\n", "SyntaxError"),
    "an error at import": ("1 / 0", "1 / 0 | ZeroDivisionError: division by zero"),
    "an end at import": ("raise SystemExit(0)", "ends the process when it is imported"),
    "no function": ("def make(*_): pass", "has no function build"),
    "no function but a number": ("build = 3", "is an object of type int, and not a function"),
    "other arguments": ("def build(classes): pass", "takes 1 positional argument but 3 were given"),
    "an error in the function": ("def build(*_):\n    raise ValueError('no such depth')", "ValueError: no such depth"),
    "nothing returned": ("def build(*_): pass", "returned None, and not a torch.nn.Module"),
    "no parameters": ("def build(*_): return nn.Flatten()", "a network without parameters to train"),
    "frozen parameters": (f"def build(*_): return {LINEAR}.requires_grad_(False)", "without parameters to train"),
    "lazy layers": ("def build(*_): return nn.Sequential(nn.Flatten(), nn.LazyLinear(4))", "has no size yet"),
    "double precision": (
        f"def build(*_): return {LINEAR}.double()",
        "is torch.float64: parameters must be torch.float32",
    ),
    "wrong sizes": (
        "def build(*_): return nn.Sequential(nn.Flatten(), nn.Linear(784, 4))",
        "the network fails for 3 images of 2 x 12 x 10: ",
    ),
    "wrong number of classes": (
        "def build(*_): return nn.Sequential(nn.Flatten(), nn.Linear(240, 10))",
        "returns a tensor of 3 x 10, and not of 3 x 4: one logit for each class",
    ),
    "a tuple": (
        f"class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.n = {LINEAR}\n"
        "    def forward(self, x): return self.n(x), x\ndef build(*_): return Net()",
        "the network returns a tuple, and not a tensor",
    ),
    "not finite": (
        f"def build(*_):\n    n = {LINEAR}\n    n[1].weight.data.fill_(float('nan'))\n    return n",
        "returns numbers that are not finite",
    ),
    "no gradient": (
        f"class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.n = {LINEAR}\n"
        "    def forward(self, x): return self.n(x).detach()\ndef build(*_): return Net()",
        "there is no gradient",
    ),
    "random numbers of its own": (
        f"import os\ndef build(*_):\n    n = {LINEAR}\n"
        "    n[1].weight.data[0, 0] = os.urandom(1)[0] / 64\n    return n",
        "two trainings from the same seed differ: draw random numbers from torch's own generator only",
    ),
    "a fixed number of images": (
        f"class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.n = {LINEAR}\n"
        "    def forward(self, x): return self.n(x) + float(len(x))\ndef build(*_): return Net()",
        "exported to ONNX, the network computes something else",
    ),
    "what ONNX does not have": (
        f"class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.n = {LINEAR}\n"
        "    def forward(self, x): return torch.special.i1(self.n(x))\ndef build(*_): return Net()",
        "cannot be exported to ONNX",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said(tmp_path: Path, what: str) -> None:
    code, sentence = WRONG[what]
    add_to_path(tmp_path)
    with pytest.raises(TrainerError) as caught:
        try_network(write(tmp_path, code))
    assert sentence in caught.value.message
    assert (caught.value.reason, caught.value.retryable) == (FailureReason.CODE_INVALID, False)
    assert "\n" not in caught.value.message


def test_a_module_that_is_not_there_is_told_from_one_that_lacks_another(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match=r"there is no module absent\.package for") as caught:
        build_network("absent.package:build", 4, 1, (8, 8))
    assert caught.value.reason is FailureReason.CODE_NOT_FOUND


def check(spec: ModelSpec, folder: Path | None, patience: float = 60, secret: str = "-" * 8) -> tuple[int, list[str]]:
    lines: list[str] = []
    return check_network(spec, folder, Redaction([secret]), lines.append, patience), lines


def test_the_trial_is_a_process_of_its_own_and_what_it_prints_is_shown_without_secrets(tmp_path: Path) -> None:
    spec = write(tmp_path, f"print('key canary-secret-1')\ndef build(*_): return {LINEAR}")
    parameters, lines = check(spec, tmp_path, secret="canary-secret-1")
    assert parameters == 240 * 4 + 4
    assert "key [redacted]" in lines
    assert spec.name.partition(":")[0] not in sys.modules


@pytest.mark.parametrize(
    ("code", "sentence", "reason"),
    [
        (
            "import time\ntime.sleep(600)",
            "was not built, trained on a few images and exported within 2 s",
            "CodeInvalid",
        ),
        ("import os, sys\nprint('bye', file=sys.stderr)\nos._exit(3)", "ended its process (status 3)", "CodeInvalid"),
        ("import os\nos.kill(os.getpid(), 9)", "needs more memory than spec.head.resources gives", "OutOfMemory"),
        ("raise ValueError('canary-secret-1')", "ValueError: [redacted]", "CodeInvalid"),
    ],
)
def test_code_that_hangs_or_ends_the_process_is_told(tmp_path: Path, code: str, sentence: str, reason: str) -> None:
    with pytest.raises(TrainerError) as caught:
        check(write(tmp_path, code, head=""), tmp_path, 2 if "sleep" in code else 60, "canary-secret-1")
    assert sentence in caught.value.message
    assert caught.value.reason.value == reason


def test_processes_that_the_code_leaves_behind_neither_hold_up_the_trial_nor_outlive_it(tmp_path: Path) -> None:
    start = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid"
    spec = write(tmp_path, f"import subprocess, sys\nprint({start})\ndef build(*_): return {LINEAR}")
    parameters, lines = check(spec, tmp_path, patience=60)
    assert parameters == 240 * 4 + 4
    wait_for(lambda: not psutil.pid_exists(int(lines[0])), "its end")


@pytest.mark.parametrize("name", ["resnet:build", "vit:build"])
def test_the_examples_pass_for_any_size(name: str) -> None:
    add_to_path(EXAMPLES)
    for spec in (ModelSpec(name, 10, 28, 28, 1), ModelSpec(name, 3, 20, 36, 3)):
        assert try_network(spec).parameters > 50_000


def test_other_code_is_another_lineage_and_our_networks_keep_theirs() -> None:
    addresses: dict[str, object] = {"dataset": "s3://data/m", "output": "s3://out/m"}
    config = parse_config({**addresses, "code_module": "net:build"})
    spec = ModelSpec("net:build", 10)
    assert len({lineage(config, spec, "data", code) for code in ("", "a", "b")}) == 3
    config_of_ours = parse_config(addresses)
    # Checkpoints of earlier versions go on: these digests are theirs.
    assert lineage(config_of_ours, ModelSpec("cnn-0.1.0", 10), "data") == "c1115a3490e9036d7b984fb26b60f6cb"
    lenet5 = parse_config({**addresses, "model": "lenet5"})
    assert lineage(lenet5, ModelSpec("lenet5", 10), "data") == "6778138bf7bd79a2b47147e1b7eaee6b"


DROPOUT = """
def build(classes, channels, size):
    inputs = channels * size[0] * size[1]
    hidden = nn.Sequential(nn.Flatten(), nn.Linear(inputs, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3))
    return nn.Sequential(hidden, nn.Linear(32, classes))
"""


def test_a_resumed_run_gives_the_numbers_of_an_uninterrupted_one_though_layers_draw(tmp_path: Path) -> None:
    add_to_path(tmp_path)
    job = make_job(write(tmp_path, DROPOUT).name, epochs=3)
    whole, killed = Recorder(), Recorder(stop_after=1)
    TrainingLoop(job, Alone(), whole).run()
    with pytest.raises(KilledError):
        TrainingLoop(job, Alone(), killed).run()
    resumed = TrainingLoop(job, Alone(), again := Recorder())
    resumed.restore(killed.states[-1])
    resumed.run()
    assert figures(again) == figures(whole)[1:]
    for name, tensor in whole.states[-1].tensors.items():
        assert torch.equal(tensor, again.states[-1].tensors[name]), name


def figures(recorder: Recorder) -> list[tuple[int, float, float]]:
    return [(record.epoch, record.train_loss, record.accuracy) for record in recorder.records]


def test_what_the_user_froze_and_counted_stays(tmp_path: Path) -> None:
    code = """
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(1, 4, 3)
            self.frozen = nn.Conv2d(4, 4, 3).requires_grad_(False)
            self.head = nn.Linear(4, 4)
            self.register_buffer("table", torch.arange(4))
        def forward(self, x):
            return self.head(self.frozen(self.first(x)).mean((2, 3))[:, self.table])
    def build(*_): return Net()
    """
    add_to_path(tmp_path)
    loop = TrainingLoop(make_job(write(tmp_path, code).name, epochs=1), Alone())
    frozen = loop.network.frozen.weight.detach().clone()
    weights = loop.run().weights
    assert torch.equal(weights["frozen.weight"], frozen)
    assert weights["table"].tolist() == [0, 1, 2, 3]
    assert not torch.equal(weights["first.weight"], loop.network.frozen.weight)


@pytest.mark.parametrize(("name", "epochs"), [("resnet:build", 4), ("vit:build", 16)])
def test_the_examples_learn_alone_and_with_others(name: str, epochs: int) -> None:
    add_to_path(EXAMPLES)
    job = make_job(name, epochs=epochs)
    for world_size in (1, 3):
        outcomes = run_workers(job, world_size)
        assert outcomes[0].evaluation.accuracy > 0.9
        for other in outcomes[1:]:
            assert all(torch.equal(other.weights[key], value) for key, value in outcomes[0].weights.items())
