"""Ways in which a user's script is wrong: each ends the run with a sentence, and leaves nothing behind."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest
from tests.support.kube import Kube
from tests.support.s3 import S3Handle, start_s3
from tests.support.scripts import SECRET, Script, start_script
from tests.support.wait import wait_for

from mnist_trainer.store import ObjectStore, S3Address, StoreSettings

CONTRACT = json.loads((Path(__file__).parents[3] / "contracts" / "trainer.json").read_text())
Start = Callable[..., Script]


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Handle]:
    with start_s3(tmp_path_factory.mktemp("s3"), "datasets", "models", "code") as handle:
        yield handle


@pytest.fixture
def start(tmp_path: Path, s3: S3Handle, kube: Kube, pod_env: dict[str, str]) -> Iterator[Start]:
    started: list[Script] = []

    def begin(name: str, code: str | None, *command: str, **more: Any) -> Script:
        started.append(start_script(tmp_path, s3, kube, pod_env, name, code, *command, **more))
        return started[-1]

    yield begin
    for script in started:
        script.stop()


WRONG: dict[str, tuple[str, tuple[str, ...], str, str]] = {
    "an-import-that-fails": (
        "import numpy\nimport not_installed_anywhere",
        (),
        "CodeInvalid",
        r"ended with status 1: File .*main.py\", line 2, in <module> \| import not_installed_anywhere \| "
        r"ModuleNotFoundError: No module named 'not_installed_anywhere'",
    ),
    "a-syntax-error": ("def train(:\n    pass", (), "CodeInvalid", r"def train\(: \| SyntaxError: invalid syntax"),
    "an-exception": (
        "def train():\n    raise ValueError('the loss is not a number')\ntrain()",
        (),
        "UserCodeFailed",
        r"in train \| raise ValueError.* \| ValueError: the loss is not a number",
    ),
    "no-such-file": (
        "",
        ("python", "trian.py"),
        "CodeNotFound",
        r"spec.code.command: there is no file 'trian.py' among the files of the code",
    ),
    "no-such-program": (
        "",
        ("pyhton", "main.py"),
        "CodeNotFound",
        r"spec.code.command: there is no program 'pyhton', neither on PATH nor in the code's folder",
    ),
    "no-such-module": (
        "",
        ("python", "-m", "mine.train"),
        "CodeInvalid",
        r"ended with status 1: .*No module named 'mine'|No module named mine",
    ),
    "a-flag-it-does-not-know": (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--epochs')\np.parse_args()",
        ("python", "main.py", "--epoch", "5", "--lr", "1"),
        "CodeInvalid",
        r"ended with status 2: .*unrecognized arguments: --lr 1",
    ),
    "nothing-left": (
        "print('trained')",
        (),
        "NoOutput",
        r"ended without an error and left nothing in OUTPUT \(s3://models/nothing-left\) or OUTPUT_DIR",
    ),
    "a-silent-end": ("import os\nos._exit(7)", (), "UserCodeFailed", r"ended with status 7, and printed nothing"),
    "killed": (
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        (),
        "OutOfMemory",
        r"was killed \(SIGKILL\): most likely it needed more memory than spec.head.resources gives",
    ),
    "a-crash": (
        "import faulthandler, os, signal\nos.kill(os.getpid(), signal.SIGSEGV)",
        (),
        "UserCodeFailed",
        r"was ended by SIGSEGV",
    ),
    "no-memory": ("raise MemoryError('16 GiB')", (), "OutOfMemory", r"ran out of memory: .*MemoryError: 16 GiB"),
    "no-space": ("raise OSError(28, 'No space left on device')", (), "OutOfSpace", r"found no space left on a disk"),
    "a-reserved-name": (
        "import os\nopen(os.environ['OUTPUT_DIR'] + '/MANIFEST.json', 'w')",
        (),
        "CodeInvalid",
        r"OUTPUT_DIR/MANIFEST.json: names .* belong to the training: choose another name",
    ),
    "a-secret-in-an-error": (
        "import os\nraise ValueError(os.environ['MY_API_TOKEN'])",
        (),
        "UserCodeFailed",
        r"ValueError: \[redacted\]$",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said(start: Start, what: str) -> None:
    code, command, reason, sentence = WRONG[what]
    script = start(what, code, *command, MY_API_TOKEN=SECRET)
    status = script.wait()
    failure = script.failure
    jsonschema.validate(script.status, CONTRACT["statusTraining"])
    assert (failure["reason"], script.status["state"]) == (reason, "Failed")
    assert re.search(sentence, failure["message"]), failure["message"]
    assert failure["retryable"] is CONTRACT["failureReasons"][reason]["retryable"]
    assert status == CONTRACT["failureReasons"][reason]["exitCode"]
    assert "\n" not in failure["message"]
    assert not (script.output / "MANIFEST.json").exists()
    assert failure["message"][:60] in script.log()
    assert SECRET not in script.printed + script.log() + json.dumps(script.status)


def archive(*files: tuple[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, text in files:
            packed.writestr(name, text)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "wrong", "sentence"),
    [
        ("absent", None, False, "there is no s3://code/absent.zip: upload it, or mend the address"),
        ("other", archive(("main.py", "")), True, "has the digest "),
        ("slip", archive(("../../evil.py", "")), False, "'../../evil.py' in it leads out of its folder"),
        ("text", b"print('no archive')", False, "s3://code/text.zip is not a zip file"),
    ],
)
def test_an_archive_that_will_not_do_is_refused(
    start: Start, s3: S3Handle, name: str, data: bytes | None, wrong: bool, sentence: str
) -> None:
    if data is not None:
        store = ObjectStore(StoreSettings.from_env(s3.env))
        store.put_bytes(S3Address.parse(f"s3://code/{name}.zip"), data)
    digest = "0" * 64 if wrong else hashlib.sha256(data or b"").hexdigest()
    script = start(name, None, flags=("--code-archive", f"s3://code/{name}.zip", "--code-sha256", digest))
    script.wait()
    assert sentence in script.failure["message"]
    assert script.failure["retryable"] is False


def test_prints_without_end_fill_neither_the_disk_nor_the_bucket(start: Start, tmp_path: Path) -> None:
    """160 MB of prints: what is shown ends, and of the log the end is kept."""
    code = """
    import os, sys
    block = ("x" * 99 + "\\n") * 10_000
    for number in range(160):
        sys.stdout.write(block)
    print("the last line")
    open(os.environ["OUTPUT_DIR"] + "/model.bin", "w").write("w")
    """
    script = start("chatter", code)
    assert script.wait(120) == 0, script.printed[-2000:]
    assert len(script.printed) < 40 << 20
    assert "more is printed than is shown here" in script.printed
    logs = sorted((script.output / "logs" / "attempt-1").iterdir())
    assert [path.name for path in logs] == ["driver.1.log", "driver.2.log", "driver.3.log", "driver.log"]
    assert sum(path.stat().st_size for path in logs) < 40 << 20
    assert "the last line" in script.log()


def test_a_line_without_end_is_cut_and_no_secret_with_it(start: Start) -> None:
    code = """
    import os, sys
    for number in range(3000):
        sys.stdout.write("y" * 61 + os.environ["MY_API_TOKEN"])
    open(os.environ["OUTPUT_DIR"] + "/x", "w").write("w")
    """
    script = start("endless", code, MY_API_TOKEN=SECRET)
    assert script.wait() == 0, script.printed[-2000:]
    assert SECRET not in script.printed + script.log()
    assert script.log().count("[redacted]") == 3000


def test_children_that_detach_themselves_are_ended(start: Start, tmp_path: Path) -> None:
    """A daemon by the book: two forks and a session of its own. It holds the script's output open, too."""
    pid_file = tmp_path / "daemon.pid"
    code = f"""
    import os, pathlib, signal, time
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))
            time.sleep(600)
        os._exit(0)
    while not os.path.exists({str(pid_file)!r}):
        time.sleep(0.05)
    open(os.environ["OUTPUT_DIR"] + "/model.pt", "w").write("w")
    """
    script = start("daemon", code)
    assert script.wait(60) == 0, script.printed
    wait_for(lambda: not psutil.pid_exists(int(pid_file.read_text())), "the daemon to be gone")
    assert "ended 1 processes that the command had left behind" in script.log()


def test_reports_that_make_no_sense_change_nothing(start: Start) -> None:
    code = """
    import os, json, urllib.request, mnist_report
    class Odd:
        def __float__(self): raise RuntimeError("no")
    mnist_report.report(epoch="three", epochs=None, accuracy=97.2, loss=float("nan"), odd=Odd(), text="x", big=10**400)
    mnist_report.report(epoch=1, **{f"m{n}": n for n in range(100)}, **{"bad name": 1, "x" * 80: 2})
    for body, token in ((b"[1]", os.environ["MNIST_REPORT_TOKEN"]), (b"{", os.environ["MNIST_REPORT_TOKEN"]),
                        (b'{"epoch": 9}', "wrong")):
        request = urllib.request.Request(os.environ["MNIST_REPORT_URL"], body,
                                         {"Authorization": "Bearer " + token})
        try:
            print(urllib.request.urlopen(request).status)
        except urllib.error.HTTPError as error:
            print(error.code)
    open(os.environ["OUTPUT_DIR"] + "/model.pt", "w").write("w")
    """
    script = start("nonsense", code)
    assert script.wait() == 0, script.printed
    status = script.status
    jsonschema.validate(status, CONTRACT["statusTraining"])
    assert status["epoch"] == 1
    assert "accuracy" not in status
    assert "loss" not in status
    assert sorted(status["metrics"]) == sorted(f"m{n}" for n in range(32))
    assert "401" in script.printed.split()
