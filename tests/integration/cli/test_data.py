import json
import os
import pty
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from tests.integration.cli.conftest import Cli
from tests.support.datasets import encode, small_dataset, write_folder
from tests.support.pictures import pictures, write_tree
from tests.support.s3 import S3Handle

from mnist_cli import buckethandler

FILES = encode(small_dataset())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "mine", FILES)


@pytest.fixture
def prefix() -> str:
    return f"set-{uuid.uuid4().hex[:8]}"


def test_upload_list_verify_download_delete(cli: Cli, folder: Path, prefix: str, s3: S3Handle) -> None:
    there = ("--dataset", f"s3://datasets/{prefix}")
    (folder / ".hidden").write_bytes(b"not to be sent")

    sent = cli("data", "upload", "--file", str(folder), *there)
    assert (sent.code, sent.err.count("uploaded")) == (0, 4)
    assert sorted(p.name for p in (s3.root / "datasets" / prefix).iterdir()) == sorted(FILES)

    listed = cli("data", "list", *there)
    assert listed.code == 0
    assert "train-images-idx3-ubyte.gz" in listed.out
    assert f"4 object(s) below s3://datasets/{prefix}" in listed.out
    rows = json.loads(cli("data", "list", "-o", "json", *there).out)
    assert {row["address"] for row in rows} == {f"s3://datasets/{prefix}/{name}" for name in FILES}
    assert all(row["size"] == len(FILES[Path(row["address"]).name]) for row in rows)

    verified = cli("data", "verify", *there)
    assert verified.code == 0
    assert "ok: 40 training and 20 test images of 8x8, 10 classes" in verified.out

    assert cli("data", "download", "--to", "back", *there).code == 0
    assert {p.name: p.read_bytes() for p in Path("back").iterdir()} == FILES
    one = cli("data", "download", "--file", "one/t10k-labels-idx1-ubyte.gz", *there)
    assert one.code == 0
    assert Path("one/t10k-labels-idx1-ubyte.gz").read_bytes() == FILES["t10k-labels-idx1-ubyte.gz"]

    assert cli("data", "delete", "--file", "t10k-labels-idx1-ubyte.gz", "--yes", *there).code == 0
    damaged = cli("data", "verify", *there)
    assert damaged.code == 1
    assert "t10k-labels-idx1-ubyte is missing" in damaged.err
    assert cli("data", "delete", "--yes", *there).out.count("deleted") == 3
    assert "nothing lies below" in cli("data", "list", *there).out


def test_folder_into_a_whole_bucket_keeps_its_name(cli: Cli, folder: Path, s3: S3Handle) -> None:
    assert cli("data", "upload", "--file", str(folder), "--bucket", "datasets").code == 0
    assert (s3.root / "datasets" / "mine" / "train-images-idx3-ubyte.gz").exists()


def test_fetch_digits_into_a_new_bucket(cli: Cli, s3: S3Handle) -> None:
    ran = cli("data", "fetch", "--source", "digits", "--dataset", "s3://offline/digits", "--make-bucket")
    assert ran.code == 0
    assert "4 files in data/digits" in ran.out
    assert (
        "1,437 training and 360 test images of 28x28" in cli("data", "verify", "--dataset", "s3://offline/digits").out
    )
    assert "1,437 training" in cli("data", "verify", "--file", "data/digits").out


def test_fetch_a_folder(cli: Cli, folder: Path) -> None:
    assert cli("data", "fetch", "--source", str(folder), "--file", "copy").code == 0
    assert {p.name for p in Path("copy").iterdir()} == set(FILES)


def test_pictures_become_a_dataset(cli: Cli, tmp_path: Path) -> None:
    write_tree(tmp_path / "letters", {**pictures(), "readme.txt": b""})
    ran = cli("data", "convert", "letters", "idx", "--size", "20x16", "--test-share", "0.2", "--seed", "3")
    assert (ran.code, ran.out) == (
        0,
        "24 training and 6 test images of 20x16, inverted, 3 classes, in idx\n",
    )
    assert "1 file(s) are no pictures" in ran.err
    assert "24 training and 6 test images of 20x16, 3 classes" in cli("data", "verify", "--file", "idx").out


BAD: dict[str, tuple[tuple[str, ...], str]] = {
    "no bucket": (("data", "list"), "which bucket"),
    "both": (("data", "list", "--bucket", "datasets", "--dataset", "s3://datasets"), "not both"),
    "malformed": (("data", "list", "--dataset", "datasets/x"), "must look like s3://"),
    "missing bucket": (("data", "list", "--bucket", "nowhere"), "bucket does not exist"),
    "upload to missing bucket": (("data", "upload", "--file", "f", "--bucket", "nowhere"), "--make-bucket makes it"),
    "missing local file": (("data", "upload", "--file", "none", "--bucket", "datasets"), "no such file or folder"),
    "missing object": (("data", "download", "--file", "none", "--bucket", "datasets"), "no such object"),
    "nothing to download": (("data", "download", "--bucket", "datasets", "--prefix", "none"), "nothing to download"),
    "whole bucket": (("data", "delete", "--bucket", "datasets", "--yes"), "never deleted"),
    "no yes": (("data", "delete", "--bucket", "datasets", "--file", "f"), "give --yes"),
    "endpoint": (("data", "list", "--bucket", "datasets", "--endpoint", "minio:9000"), "not an http(s) URL"),
    "output": (("data", "list", "--bucket", "datasets", "-o", "yaml"), "text or json"),
    "unknown option": (("data", "list", "--buckt", "datasets"), "No such option"),
    "unknown command": (("data", "lst"), "No such command"),
    "convert nothing": (("data", "convert", "none", "x"), "no such folder or zip file"),
    "convert to no size": (("data", "convert", ".", "x", "--size", "big"), "neither a number nor like 28x28"),
    "convert to two channels": (("data", "convert", ".", "x", "--channels", "2"), "--channels 2"),
    "convert a file": (("data", "convert", "f", "x"), "neither a folder nor a zip file"),
    "prefix alone": (("data", "fetch", "--source", "digits", "--prefix", "x"), "which bucket"),
    "folder is no dataset": (("data", "fetch", "--source", ".", "--file", "x"), "no dataset there"),
}


@pytest.mark.parametrize(("args", "says"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_exit_code_2(cli: Cli, args: tuple[str, ...], says: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    ran = cli(*args)
    assert ran.code == 2
    assert says in ran.err
    assert ran.err.count("\n") == 1
    assert ran.out == ""


def test_refused_credentials(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    ran = cli("data", "list", "--bucket", "datasets")
    assert ran.code == 2
    assert "secret key is wrong" in ran.err
    assert "hunter2" not in ran.err
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "AWS_SECRET_ACCESS_KEY is not set" in cli("data", "list", "--bucket", "datasets").err


def test_unreachable_store(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_STORAGE_GIVE_UP_AFTER", "0.5")
    ran = cli("data", "list", "--bucket", "datasets", "--endpoint", "http://127.0.0.1:1")
    assert ran.code == 1
    assert "connection refused" in ran.err


def test_the_older_script(cli: Cli, folder: Path, s3: S3Handle) -> None:
    def old(*args: str) -> tuple[int, str, str]:
        ran = cli("--endpoint", s3.endpoint, "--bucket", "from-old", *args, main=buckethandler.main)
        return ran.code, ran.out, ran.err

    file = folder / "train-labels-idx1-ubyte.gz"
    assert old("upload", "--file", str(file))[0] == 0
    assert (s3.root / "from-old" / file.name).read_bytes() == file.read_bytes()
    assert file.name in old("list")[1]
    assert old("download", "--file", f"there/{file.name}")[0] == 0
    assert Path("there", file.name).read_bytes() == file.read_bytes()
    assert old("delete", "--file", file.name)[0] == 0
    code, _, err = old("delete", "--file", file.name)
    assert (code, "no such object" in err) == (2, True)


def test_the_older_script_as_a_module(s3: S3Handle, folder: Path) -> None:
    command = [sys.executable, "-m", "mnist_cli.buckethandler", "--endpoint", s3.endpoint, "--bucket", "datasets"]
    ran = subprocess.run(
        [*command, "upload", "--file", str(folder / "t10k-labels-idx1-ubyte.gz")],
        env={**os.environ, **s3.env},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout) == (0, "")
    assert (s3.root / "datasets" / "t10k-labels-idx1-ubyte.gz").exists()


def test_bars_on_a_terminal(s3: S3Handle, folder: Path, prefix: str) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "mnist_cli",
            "data",
            "upload",
            "--file",
            str(folder),
            "--bucket",
            "datasets",
            "--prefix",
            prefix,
        ],
        env={**os.environ, **s3.env, "TERM": "xterm-256color", "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux's way to say that the other side is closed
            break
        if not piece:
            break
        shown += piece
    out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0
    assert b"\x1b[" in shown
    assert b"train-images-idx3-ubyte.gz" in shown
    assert b"\x1b[" not in out


def test_a_listing_that_nobody_reads_to_its_end_is_no_error(s3: S3Handle) -> None:
    """`data list | head -1`, with a reader that is gone for certain."""
    ours, theirs = os.pipe()
    os.close(ours)
    ran = subprocess.run(
        [sys.executable, "-m", "mnist_cli", "data", "list", "--bucket", "datasets"],
        env={**os.environ, **s3.env},
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(theirs)
    assert (ran.returncode, ran.stderr) == (141, "")
