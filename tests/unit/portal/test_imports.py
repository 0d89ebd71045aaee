"""The portal needs what its extra installs, and nothing of the operator's, the trainer's or the command line's."""

from __future__ import annotations

import subprocess
import sys

FOREIGN = {
    "kopf", "kubernetes", "ray", "torch", "onnx", "safetensors", "typer", "pyarrow", "psutil", "tensorboard", "mlflow",
    "pydantic_settings", "cryptography", "jwt", "uvloop", "mnist_cli", "mnist_local",
}  # fmt: skip
CODE = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {FOREIGN!r}:
            raise ImportError(f"{{name}} is not there")

sys.meta_path.insert(0, Blocked())
import mnist_portal.__main__, mnist_portal.server
import mnist_trainer.runs.catalogue, mnist_trainer.inference.runtime, mnist_trainer.inference.answers
import mnist_trainer.data.pictures
from mnist_portal.pages.base import environment
for name in environment().list_templates():
    environment().get_template(name)
print("fine")
"""


def test_the_extra_is_enough() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60)
    assert done.stdout == "fine\n", done.stderr
