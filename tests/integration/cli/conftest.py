from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.s3 import S3Handle, start_s3

from mnist_cli import __main__


@dataclass
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


Cli = Callable[..., Ran]


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Handle]:
    folder = tmp_path_factory.mktemp("s3")
    (folder / "s3" / "datasets").mkdir(parents=True)
    (folder / "s3" / "datasets" / "f").write_bytes(b"x")
    with start_s3(folder) as handle:
        yield handle


@pytest.fixture
def cli(s3: S3Handle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """Run `mnistctl` in this process, with the server's credentials in the environment and a folder of its own."""
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def run(*args: str, main: Callable[[list[str]], int] = __main__.main) -> Ran:
        code = main(list(args))
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run
