"""What is wrong with the cluster or the rights is one line and an exit code."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from tests.support.apiserver import start_apiserver
from tests.support.s3 import start_s3
from tests.support.scene import Scene

# As if the uid had no entry anywhere, wherever the test runs.
_AS_NOBODY = """
import pwd, sys
def getpwuid(uid): raise KeyError(f"getpwuid(): uid not found: {uid}")
pwd.getpwuid = getpwuid
from mnist_cli.__main__ import main
sys.exit(main())
"""


def changed(scene: Scene, **user_or_cluster: Any) -> Path:
    """The kubeconfig with its user's or its server's entry replaced."""
    config = yaml.safe_load(scene.kubeconfig.read_text())
    if "user" in user_or_cluster:
        config["users"][0]["user"] = user_or_cluster["user"]
    config["clusters"][0]["cluster"].update(user_or_cluster.get("cluster", {}))
    return scene.write("changed", config)


def one_line(scene: Scene, *arguments: str) -> tuple[int, str]:
    ran = scene.ctl(*arguments)
    assert ran.out == ""
    assert ran.err.count("\n") == 1
    assert ran.err.startswith("mnistctl: ")
    return ran.code, ran.err.removeprefix("mnistctl: ")


def test_no_such_training(scene: Scene) -> None:
    said = f"there is no MnistTraining 'mnist' in namespace '{scene.namespace}'\n"
    for command in ("watch", "logs", "status", "suspend", "resume", "report"):
        assert one_line(scene, command, "mnist") == (2, said), command
    elsewhere = one_line(scene, "status", "mnist", "-n", "other")[1]
    assert elsewhere.endswith("in namespace 'other'; there is no such namespace\n")


def another_authority() -> str:
    return base64.b64encode(trustme.CA().cert_pem.bytes()).decode()


UNFIT: dict[str, tuple[Callable[[Scene], list[str]], int, str]] = {
    "no file": (lambda _: ["--kubeconfig", "nowhere"], 2, "kubeconfig nowhere: there is no such file"),
    "no context": (lambda _: ["--context", "prod"], 2, "the kubeconfig has no context 'prod' (there are: "),
    "unreachable": (
        lambda s: ["--kubeconfig", str(changed(s, cluster={"server": "https://127.0.0.1:9"}))],
        1,
        "https://127.0.0.1:9 cannot be reached: ",
    ),
    "bad token": (
        lambda s: ["--kubeconfig", str(changed(s, user={"token": "wrong"}))],
        2,
        "does not accept these credentials",
    ),
    "no authority": (
        lambda s: ["--kubeconfig", str(changed(s, cluster={"certificate-authority-data": None}))],
        2,
        "the kubeconfig's cluster needs its certificate-authority",
    ),
    "other authority": (
        lambda s: ["--kubeconfig", str(changed(s, cluster={"certificate-authority-data": another_authority()}))],
        2,
        "is not from the authority in the kubeconfig's certificate-authority",
    ),
    "certificate for other names": (
        lambda s: ["--kubeconfig", str(changed(s, cluster={"tls-server-name": "api.example.org"}))],
        2,
        "kubernetes.default.svc, and not for api.example.org: use one of its names",
    ),
    "http to a TLS port": (
        lambda s: ["--kubeconfig", str(changed(s, cluster={"server": s.server.url.replace("https:", "http:")}))],
        2,
        "it speaks TLS: write https:// in the kubeconfig's server",
    ),
}


@pytest.mark.parametrize(("options", "code", "says"), UNFIT.values(), ids=UNFIT)
def test_a_kubeconfig_that_does_not_work(
    scene: Scene, options: Callable[[Scene], list[str]], code: int, says: str
) -> None:
    got = one_line(scene, "status", "mnist", *options(scene))
    assert got[0] == code, got
    assert says in got[1]


def test_https_to_a_port_without_tls(scene: Scene, tmp_path: Path) -> None:
    with start_s3(tmp_path) as plain:
        there = plain.endpoint.replace("http:", "https:")
        code, said = one_line(scene, "status", "mnist", "--kubeconfig", str(changed(scene, cluster={"server": there})))
    assert (code, said) == (
        2,
        f"{there} cannot be reached: it does not speak TLS: write http:// in the kubeconfig's server\n",
    )


def test_without_a_home_and_as_a_uid_that_nobody_knows(scene: Scene) -> None:
    """OpenShift gives such: no passwd entry, often no HOME."""
    scene.create()
    env = {key: value for key, value in os.environ.items() if key not in ("HOME", "USER", "LOGNAME", "KUBECONFIG")}
    command = [sys.executable, "-c", _AS_NOBODY, "status", "mnist"]
    ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == ("mnistctl: no kubeconfig: set KUBECONFIG, or name a file (there is no ~/.kube/config)\n")
    given = subprocess.run(
        [*command, "--kubeconfig", "/dev/stdin"],
        stdin=scene.kubeconfig.open(),
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (given.returncode, given.stderr) == (0, "")
    assert given.stdout.startswith("mnist\n  phase    Pending")


def test_forbidden_is_said_in_the_api_s_words(scene: Scene) -> None:
    account = f"/api/v1/namespaces/{scene.namespace}/serviceaccounts"
    scene.kube.create(account, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "guest"}})
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = scene.kube.create(f"{account}/guest/token", request)["status"]["token"]
    scene.create()
    where = ["--kubeconfig", str(changed(scene, user={"token": token}))]
    for command in (["submit", str(scene.manifest())], ["watch"], ["logs", "mnist"], ["suspend", "mnist"]):
        code, said = one_line(scene, *command, *where)
        assert code == 2
        assert "mnisttrainings.mnist.training" in said
        assert "forbidden" in said
        assert f"system:serviceaccount:{scene.namespace}:guest" in said


def test_a_server_without_our_kind(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> None:
    bare = start_apiserver(tmp_path_factory.mktemp("bare"))
    try:
        for command in (["submit", str(scene.manifest())], ["watch"], ["status", "mnist"]):
            code, said = one_line(scene, *command, "--kubeconfig", str(bare.kubeconfig))
            assert code == 2
            assert "does not know MnistTrainings: install the operator's chart there" in said
    finally:
        bare.stop()


def test_a_plugin_gives_the_credentials(scene: Scene) -> None:
    token = yaml.safe_load(scene.kubeconfig.read_text())["users"][0]["user"]["token"]
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}}
    script = scene.write("plugin.py", f"print({json.dumps(json.dumps(credential))})")
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": [str(script)],
        "interactiveMode": "Never",
    }
    scene.create()
    config = changed(scene, user={"exec": plugin})
    assert scene.ctl("status", "mnist", "--kubeconfig", str(config)).out.startswith("mnist\n  phase    Pending\n")

    script.write_text("raise SystemExit('log in first')")
    code, said = one_line(scene, "status", "mnist", "--kubeconfig", str(config))
    assert code == 2
    assert "its plugin gave no credentials" in said
    assert token not in said
