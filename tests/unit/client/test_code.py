"""Code of one's own as an archive: the same for the same files, without what nobody means, within bounds."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mnist_client import RefusedError
from mnist_client.code import PackedCode, archive_url, packed, with_code
from mnist_trainer.code import bundle

NAMES = st.text("abcxyz_", min_size=1, max_size=5)
TREES = st.dictionaries(st.tuples(NAMES, NAMES, NAMES).map("/".join), st.binary(max_size=40), min_size=1, max_size=6)
PACKED = PackedCode(b"zip", "a" * 64)
SCRIPT = PackedCode(b"zip", "a" * 64, "train.py")


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def names(code: PackedCode) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(code.data)).namelist()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(files=TREES, data=st.data())
def test_equal_files_make_an_equal_archive(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], data: st.DataObject
) -> None:
    """In whatever order and whenever they were written; and the trainer reads back what was packed."""
    one = write(tmp_path_factory.mktemp("one"), files)
    other = write(tmp_path_factory.mktemp("other"), dict(data.draw(st.permutations(list(files.items())))))
    for path in other.rglob("*"):
        os.utime(path, (1, data.draw(st.integers(1, 2**31))))
    first, second = packed(one), packed(other)
    assert first == second
    assert first.data == second.data
    assert first.sha256 == hashlib.sha256(first.data).hexdigest()
    unpacked = bundle.unpack(first.data, tmp_path_factory.mktemp("there"), "the code")
    assert {
        path.relative_to(unpacked).as_posix(): path.read_bytes() for path in unpacked.rglob("*") if path.is_file()
    } == files


def test_one_byte_more_is_another_archive(tmp_path: Path) -> None:
    before = packed(write(tmp_path, {"a.py": b"1"}))
    assert packed(write(tmp_path, {"a.py": b"12"})).sha256 != before.sha256


def test_what_nobody_means_is_left_out(tmp_path: Path) -> None:
    meant = {"train.py": b"", "package/__init__.py": b"", "package/net.py": b"x"}
    others = {".git/HEAD": b"", ".venv/x.py": b"", "package/__pycache__/net.pyc": b"", ".env": b"secret",
              "node_modules/x.js": b"", "my-env/pyvenv.cfg": b"", "my-env/lib/x.py": b""}  # fmt: skip
    assert names(packed(write(tmp_path, meant | others))) == ["package/__init__.py", "package/net.py", "train.py"]
    write(tmp_path / "other", others)
    with pytest.raises(RefusedError, match="there is no file in this folder but what is always left out"):
        packed(tmp_path / "other")


def test_a_script_alone(tmp_path: Path) -> None:
    code = packed(write(tmp_path, {"train.py": b"print(1)", "beside.py": b""}) / "train.py")
    assert (code.script, names(code)) == ("train.py", ["train.py"])
    with pytest.raises(RefusedError, match="there is no such file or folder"):
        packed(tmp_path / "nothing.py")


def test_a_link_that_leads_out_is_refused_and_one_inside_is_followed(tmp_path: Path) -> None:
    folder = write(tmp_path / "code", {"a.py": b"a"})
    (folder / "b.py").symlink_to("a.py")
    assert names(packed(folder)) == ["a.py", "b.py"]
    (folder / "c.py").symlink_to(write(tmp_path, {"secret": b"s"}) / "secret")
    with pytest.raises(RefusedError, match=r"is a link that leads out of .*: copy the file into it"):
        packed(folder)


def test_too_much_says_what_is_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MAX_ARCHIVE", 3 << 20)
    folder = write(tmp_path, {"train.py": b"", "data/images.bin": bytes(2 << 20), "data/more.bin": bytes(2 << 20)})
    with pytest.raises(RefusedError) as caught:
        packed(folder)
    assert "has 3 files of 4 MiB, and code may have 10,000 of 3 MiB" in caught.value.message
    assert "The largest are data (4 MiB), train.py (0 MiB): move data to the bucket" in caught.value.message


def body(**code: Any) -> dict[str, Any]:
    return {"metadata": {"name": "mnist"}, "spec": {"code": code} if code else {}}


def test_the_manifest_gets_the_archive() -> None:
    given = body(command=["python", "-m", "package"])
    assert with_code(given, SCRIPT, "s3://models/some/where")["spec"]["code"] == {
        "command": ["python", "-m", "package"],
        "archive": {"url": f"s3://models/code/{'a' * 64}.zip", "sha256": "a" * 64},
    }
    assert "archive" not in given["spec"]["code"], "the original is left alone"
    assert with_code(body(), SCRIPT, "s3://m")["spec"]["code"]["command"] == ["python", "train.py"]
    assert "command" not in with_code(body(module="net:build"), PACKED, "s3://m")["spec"]["code"]
    assert archive_url(PACKED, "s3://models/") == f"s3://models/code/{'a' * 64}.zip"


UNCLEAR = {
    "a folder of which nothing is run": (body(), PACKED, r"give spec\.code\.command, such as \[python, train\.py\]"),
    "a ConfigMap, too": (body(configMap={"name": "c"}), SCRIPT, r"spec\.code\.configMap says where the code is"),
    "an archive, too": (body(archive={"url": "s3://a/b"}), SCRIPT, r"spec\.code\.archive says where the code is"),
}


@pytest.mark.parametrize(("given", "code", "says"), UNCLEAR.values(), ids=UNCLEAR)
def test_what_is_not_clear_is_refused(given: dict[str, Any], code: PackedCode, says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        with_code(given, code, "s3://m")
