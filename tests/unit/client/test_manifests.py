from pathlib import Path

import pytest

from mnist_client.errors import RefusedError
from mnist_client.manifests import read

EXAMPLES = Path(__file__).parents[3] / "examples"
GOOD = """
apiVersion: mnist.training/v1alpha1
kind: MnistTraining
metadata: {name: one}
spec: {storage: {dataset: s3://datasets/digits}}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "training.yaml"
    path.write_text(text)
    return path


def test_all_documents(tmp_path: Path) -> None:
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: other}\n"
    documents = read(write(tmp_path, f"# comment\n---\n{config}---\n{GOOD}---\n"))
    assert [(d.kind, d.name, d.namespace, d.is_training) for d in documents] == [
        ("ConfigMap", "c", "other", False),
        ("MnistTraining", "one", "default", True),
    ]
    assert documents[1].spec("storage", "dataset") == "s3://datasets/digits"
    assert documents[1].spec("storage", "output") is None
    assert documents[0].spec("storage", "output") is None


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda p: p.name)
def test_examples_are_manifests(path: Path) -> None:
    assert any(document.is_training for document in read(path))


BAD = {
    "empty": ("", "contains no MnistTraining"),
    "other kinds only": ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n", "contains no MnistTraining"),
    "no yaml": ("a: [", "not valid YAML"),
    "tabs": ("a:\n\t- b", "not valid YAML"),
    "a list": ("- a\n- b\n", "document 1 is not an object"),
    "a word": ("hello", "document 1 is not an object"),
    "no kind": ("apiVersion: v1\nmetadata: {name: x}\n", "document 1 has no kind"),
    "no name": ("apiVersion: v1\nkind: X\nmetadata: {generateName: x}\n", "has no metadata.name"),
    "twice": (GOOD + "---" + GOOD, "MnistTraining one stands there twice"),
    "python tag": ("!!python/object/apply:os.system [ls]", "not valid YAML"),
}


@pytest.mark.parametrize(("text", "says"), BAD.values(), ids=BAD)
def test_bad_files_are_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(RefusedError) as caught:
        read(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert says in caught.value.message
    assert "\n" not in caught.value.message


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for path, says in (
        (tmp_path / "none", "No such file"),
        (tmp_path, "directory"),
        (tmp_path / "binary", "text file"),
    ):
        with pytest.raises(RefusedError, match=says):
            read(path)
