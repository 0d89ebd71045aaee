"""The user's files as a zip file: what is packed comes out again, and what would do harm is refused."""

from __future__ import annotations

import contextlib
import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnist_trainer.code import bundle
from mnist_trainer.errors import CodeInvalidError


def zipped(*files: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


NAMES = st.from_regex(r"[a-z]{1,8}(\.py)?", fullmatch=True)


@settings(max_examples=30)
@given(st.dictionaries(NAMES, st.binary(max_size=200), min_size=1, max_size=5), NAMES)
def test_what_is_packed_is_unpacked(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], sub: str
) -> None:
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    for name, content in files.items():
        path = source / f"_{sub}" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    packed = bundle.pack(source)
    assert packed == bundle.pack(source)
    folder = bundle.unpack(packed, target, "the code")
    found = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == files


def test_a_mounted_config_map_is_packed_without_its_versions(tmp_path: Path) -> None:
    """As the kubelet makes it: the keys are links to ..data, which is a link to a folder of this version."""
    version = tmp_path / "..2026_11_29"
    version.mkdir()
    (version / "net.py").write_text("x = 1")
    (tmp_path / "..data").symlink_to(version.name)
    (tmp_path / "net.py").symlink_to("..data/net.py")
    folder = bundle.unpack(bundle.pack(tmp_path), tmp_path / "out", "the code")
    assert [path.name for path in folder.iterdir()] == ["net.py"]
    assert not (folder / "net.py").is_symlink()


def test_the_digest_is_of_the_files_and_not_of_their_packing(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a")
    (tmp_path / "b.py").write_text("b")
    packed = bundle.pack(tmp_path)
    assert packed != zipped(("b.py", b"b"), ("a.py", b"a"))
    assert bundle.digest(packed) == bundle.digest(zipped(("b.py", b"b"), ("a.py", b"a")))
    assert bundle.digest(packed) != bundle.digest(zipped(("a.py", b"b"), ("b.py", b"a")))


@pytest.mark.parametrize("name", ["../evil.py", "a/../../evil.py", "/etc/evil.py", "a\\..\\evil.py"])
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    data = zipped(("net.py", b""), (name, b""))
    with pytest.raises(CodeInvalidError, match="leads out of its folder"):
        bundle.unpack(data, tmp_path, "s3://code/net.zip")
    assert list(tmp_path.iterdir()) == []


def test_links_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("secrets")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/var/run/secrets")
    with pytest.raises(CodeInvalidError, match="'secrets' in it is a link"):
        bundle.unpack(buffer.getvalue(), tmp_path, "the code")


def test_a_bomb_is_refused_by_its_sizes_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MAX_UNPACKED", 1000)
    with pytest.raises(CodeInvalidError, match="has more than"):
        bundle.unpack(zipped(("a", b"0" * 600), ("b", b"0" * 600)), tmp_path, "the code")


def test_sizes_that_lie_are_found_out(tmp_path: Path) -> None:
    """An entry says 5 bytes and holds 100,000."""
    data = bytearray(zipped(("net.py", b"x" * 100_000)))
    place = data.rfind(b"PK\x01\x02")
    data[place + 24 : place + 28] = (5).to_bytes(4, "little")
    with pytest.raises(CodeInvalidError, match="damaged"):
        bundle.unpack(bytes(data), tmp_path, "the code")


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=3))
def test_an_archive_that_is_damaged_anywhere_is_said_to_be(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (("main.py", b"print(1)\n" * 40), ("package/\u00fc.py", bytes(range(99)))):
            archive.writestr(name, content)
    data = bytearray(buffer.getvalue())
    for place, value in changes:
        data[place % len(data)] = value
    for action in (bundle.digest, lambda given: bundle.unpack(given, tmp_path_factory.mktemp("out"), "the code")):
        with contextlib.suppress(CodeInvalidError):  # and nothing else
            action(bytes(data))


def test_an_encrypted_archive_is_said_to_be_before_it_is_unpacked() -> None:
    data = bytearray(zipped(("main.py", b"print(1)")))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.rfind(signature) + flags] |= 1
    with pytest.raises(CodeInvalidError, match=r"the code is damaged or encrypted: 'main\.py'"):
        bundle.digest(bytes(data))


@pytest.mark.parametrize("data", [b"", b"no zip file", zipped(("a", b"1"))[:40]], ids=["empty", "text", "cut off"])
def test_what_is_no_zip_file_is_said_to_be_none(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(CodeInvalidError, match="the code is not a zip file"):
        bundle.unpack(data, tmp_path, "the code")


def test_a_file_that_is_a_folder_too_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CodeInvalidError, match="is a file and a folder"):
        bundle.unpack(zipped(("a", b"1"), ("a/b", b"2")), tmp_path, "the code")
