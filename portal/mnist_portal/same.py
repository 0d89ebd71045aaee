"""The same with kubectl and with Python: each action of a page as the commands that do it. No I/O."""

from __future__ import annotations

import shlex
from typing import Any, NamedTuple

KIND = "mnisttraining"


class Same(NamedTuple):
    """One action in the words of a shell and of Python."""

    shell: str
    python: str


def listing(namespace: str) -> Same:
    """See trainings."""
    where = f"-n {namespace}" if namespace else "-A"
    argument = f'namespace="{namespace}"' if namespace else "all_namespaces=True"
    return Same(f"kubectl get {KIND}s {where} --watch", _python(f"print(client.list({argument}))"))


def clusters() -> Same:
    """See clusters."""
    shell = "kubectl get rayclusters -A --watch"
    loop = "for one in client.list(all_namespaces=True):\n        print(one.name, one.status.ray_cluster)"
    return Same(shell, _python(loop))


def looking(namespace: str, name: str) -> Same:
    """See one training."""
    shell = f"kubectl describe {KIND} {name} -n {namespace}\nmnistctl watch {name} -n {namespace}"
    return Same(shell, _python(f'print(client.get("{name}", namespace="{namespace}").message)'))


def logs(namespace: str, name: str, attempt: int) -> Same:
    """Follow the log."""
    which = f" --attempt {attempt}" if attempt else ""
    more = f", attempt={attempt}" if attempt else ""
    loop = f'for line in client.logs("{name}", namespace="{namespace}"{more}, follow=True):\n        print(line)'
    return Same(f"mnistctl logs {name} -n {namespace} -f{which}", _python(loop))


def suspending(namespace: str, name: str, suspended: bool) -> Same:
    """Suspend or resume."""
    verb, value = ("suspend", "true") if suspended else ("resume", "false")
    patch = shlex.quote(f'{{"spec":{{"runPolicy":{{"suspend":{value}}}}}}}')
    shell = f"mnistctl {verb} {name} -n {namespace}\nkubectl patch {KIND} {name} -n {namespace} --type merge -p {patch}"
    return Same(shell, _python(f'client.{verb}("{name}", namespace="{namespace}")'))


def scaling(namespace: str, name: str, replicas: int) -> Same:
    """Train with another number of workers."""
    shell = f"kubectl scale {KIND} {name} -n {namespace} --replicas={replicas}"
    return Same(shell, _python(f'client.scale("{name}", {replicas}, namespace="{namespace}")'))


def deleting(namespace: str, name: str) -> Same:
    """Delete a training; the model stays."""
    shell = f"kubectl delete {KIND} {name} -n {namespace}"
    return Same(shell, _python(f'client.delete("{name}", namespace="{namespace}")'))


def creating(name: str) -> Same:
    """Create what the YAML beside it says."""
    shell = f"mnistctl submit {name}.yaml --follow\nkubectl apply -f {name}.yaml"
    python = (
        "from mnist_client import Client, Training\n\n"
        "with Client() as client:\n"
        f'    client.submit(Training.from_yaml("{name}.yaml"))'
    )
    return Same(shell, python)


def fetching(namespace: str, name: str, result: dict[str, Any]) -> Same:
    """Fetch the report and the model."""
    shell = f"mnistctl report {name} -n {namespace} --open"
    if model := result.get("model"):
        shell += f"\naws s3 cp {model} ."
    return Same(shell, _python(f'client.result("{name}", namespace="{namespace}").download("model.onnx")'))


def _python(line: str) -> str:
    return f"from mnist_client import Client\n\nwith Client() as client:\n    {line}"
