"""The notebook of the documentation, cell by cell in a real kernel, on a local stack that it starts itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from tests.support.processes import assert_none_left, kill_all, processes_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
NOTEBOOK = Path(__file__).parents[3] / "examples" / "notebooks" / "python-client.ipynb"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the kernel works; when the stack in it is taken down, no process may be left."""
    try:
        yield tmp_path
        down = [sys.executable, "-m", "mnist_cli", "local", "down"]
        ran = subprocess.run(down, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert ran.stdout == "the local stack is down\n", ran.stderr
        assert_none_left(tmp_path)
    finally:
        kill_all(processes_of(tmp_path))


def output(cell: Any, kind: str = "text/plain") -> str:
    """What a cell shows in the end."""
    shown = [found["data"] for found in cell["outputs"] if kind in found.get("data", {})]
    return str(shown[-1][kind])


def printed(cell: Any) -> str:
    return "".join(found["text"] for found in cell["outputs"] if found["output_type"] == "stream")


def test_the_notebook_runs_and_shows_what_it_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KUBECONFIG", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    _, submit, progress, logs, files, epochs, download, predict, failure, _ = [
        cell for cell in notebook["cells"] if cell["cell_type"] == "code"
    ]
    assert "notebook" in output(submit, "text/html")
    assert 0.5 < float(output(progress)) <= 1
    assert 'class="mnist-progress"' in output(progress, "text/html")
    assert "Succeeded" in output(progress, "text/html")
    assert "training, epoch" in output(progress, "text/html")
    assert printed(progress) == "", "all is in one table"
    assert len(printed(logs).splitlines()) == 5
    assert "model.onnx" in output(files)
    assert [number for number, _ in eval(output(epochs))] == [1, 2, 3]
    assert (folder / "model.onnx").read_bytes()
    assert "model.onnx" in output(download)
    assert "confidence=" in output(predict)
    assert printed(failure).startswith("DatasetNotFound | ")


def test_the_notebook_is_kept_without_outputs() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4)["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
