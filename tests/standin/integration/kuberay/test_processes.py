"""No process is left behind, whoever dies."""

from __future__ import annotations

import os
import signal

import psutil
from tests.standin.integration.kuberay.conftest import NAMESPACE, Stack, pod_template
from tests.support.apiserver import start_apiserver
from tests.support.kuberay import client, eventually, install_crds, processes_of, start_kuberay

from mnist_local.kuberay import names as k


async def test_killed_controller_leaves_nothing_and_its_successor_recovers(own_stack: Stack) -> None:
    first = (await own_stack.ready_cluster("c", 2))["status"]
    own_stack.kuberay.process.kill()
    await eventually(lambda: not processes_of(own_stack.kuberay.work_dir), 60)

    options = ["--ray", str(own_stack.directory / "fake-ray")]
    server = own_stack.server
    own_stack.kuberay = start_kuberay(server.kubeconfig, own_stack.directory, server.pod_log_dir, *options)
    after = await own_stack.until_cluster(
        "c",
        lambda status: (
            status.get("readyWorkerReplicas") == 2
            and status["head"].get("podName") not in {None, first["head"]["podName"]}
        ),
    )
    assert after["status"]["state"] == "ready"
    assert own_stack.kuberay.stop() == 0
    assert own_stack.kuberay.descendants() == []


async def test_killed_shim_is_a_failed_pod_and_leaves_nothing(stack: Stack) -> None:
    name = stack.name()
    await stack.ready_cluster(name)
    (worker,) = await stack.pods(name, k.WORKER)
    label = f"{NAMESPACE}/{worker['metadata']['name']}"
    (shim,) = [child for child in psutil.Process(stack.kuberay.process.pid).children() if child.cmdline()[-1] == label]
    shim.kill()
    await eventually(lambda: not stack.processes_of(worker), 60)

    async def replaced() -> bool:
        names = [pod["metadata"]["name"] for pod in await stack.pods(name, k.WORKER)]
        return len(names) == 1 and names != [worker["metadata"]["name"]]

    await eventually(replaced, 60)


async def test_orphans_of_a_job_end_with_their_pod(stack: Stack) -> None:
    name = stack.name()
    detached = pod_template("ray-head", container={"command": ["(setsid sleep 1000 &) ; true"]})
    await stack.ready_cluster(name, 0, headGroupSpec={"rayStartParams": {}, "template": detached})
    (head,) = await stack.pods(name, k.HEAD)
    commands = {pid: stack.command_of(pid) for pid in stack.processes_of(head)}
    assert b"sleep\x001000\x00" in commands.values()
    os.kill(next(pid for pid, command in commands.items() if b"fake_ray" in command), signal.SIGKILL)
    await eventually(lambda: not stack.processes_of(head), 60)


async def test_all_pods_end_when_the_api_server_forgets_them(own_stack: Stack) -> None:
    await own_stack.ready_cluster("c", 1)
    assert own_stack.kuberay.descendants()
    server = own_stack.server
    server.process.kill()
    server.process.wait()
    server.kubeconfig.unlink()
    (server.data_dir / "state" / "journal.jsonl").unlink()
    own_stack.server = start_apiserver(own_stack.directory, "--durable", "--port", server.url.rpartition(":")[2])
    async with client(own_stack.server.kubeconfig) as api:
        await install_crds(api)
    await eventually(lambda: not [p for p in own_stack.kuberay.descendants() if "mnist_local.kuberay" not in p], 60)


async def test_pods_have_the_identity_of_their_service_account(stack: Stack) -> None:
    name = stack.name()
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": f"{name}-sa", "namespace": NAMESPACE}}
    await stack.create(account)
    template = pod_template("ray-head", serviceAccountName=f"{name}-sa", automountServiceAccountToken=True)
    await stack.ready_cluster(name, 0, headGroupSpec={"rayStartParams": {}, "template": template})
    script = (
        "import os, json, base64, pathlib; d = pathlib.Path(os.environ['MNIST_SERVICEACCOUNT_DIR']); "
        "p = (d / 'token').read_text().split('.')[1]; "
        "c = json.loads(base64.urlsafe_b64decode(p + '=' * (-len(p) % 4))); "
        f"assert c['sub'] == 'system:serviceaccount:{NAMESPACE}:{name}-sa', c['sub']; "
        f"assert (d / 'namespace').read_text() == '{NAMESPACE}'; "
        "assert 'BEGIN CERTIFICATE' in (d / 'ca.crt').read_text(); "
        "assert (d / 'token').stat().st_mode & 0o077 == 0"
    )
    job = stack.name("job")
    await stack.create_job(job, name, f'python -c "{script}"')
    done = await stack.until_job(job, lambda s: s.get("jobDeploymentStatus") in {"Complete", "Failed"})
    assert done["status"]["jobStatus"] == "SUCCEEDED", done["status"]["message"]
