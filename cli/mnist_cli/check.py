"""`mnistctl check`: everything a manifest names, before it is applied.

The API server judges the manifest itself (a server-side dry run, which also fills in the defaults). Then the objects
that it names are looked for, KubeRay among them (`checks`), and the store is asked (`storage_check`). Nothing is
changed but for an empty object that is written to the output and deleted again.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mnist_cli import submit
from mnist_cli.cluster import Where, in_cluster
from mnist_cli.options import Context, Kubeconfig, Namespace, Output, SeenFrom, Settings
from mnist_cli.running import CommandError
from mnist_cli.settings import overridden
from mnist_client.errors import ConnectionFailedError, MnistError, UnauthenticatedError
from mnist_client.manifests import Document, read

if TYPE_CHECKING:
    from mnist_cli.checks import Finding
    from mnist_client import AsyncClient


def check(
    manifest: Annotated[
        Path, typer.Argument(metavar="FILE", help="A file with MnistTrainings, and what they need; - is stdin.")
    ],
    settings: Settings = None,
    endpoint: SeenFrom = None,
    output: Output = "text",
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Check all that a manifest names before it is applied: Secret, store, dataset, output, KubeRay and more.

    Exit code 0 if it would run (warnings included), 1 if a check failed.
    """
    documents = read(manifest)
    trainings = [Document(overridden(item.body, settings or [])) for item in documents if item.is_training]

    where = Where(kubeconfig, context, namespace)

    async def work(usual: AsyncClient) -> int:
        reports = []
        for training in trainings:
            client = submit.settled(usual, training, where)
            findings = await _findings(client, training, documents, endpoint)
            reports.append(_report(training.name, findings))
            if output == "text":
                print("\n".join([f"{client.namespace}/{training.name}", *_lines(findings)]), flush=True)
        if output == "json":
            import json

            print(json.dumps(reports[0] if len(reports) == 1 else reports, indent=2))
        return 0 if all(report["ok"] for report in reports) else 1

    in_cluster(where, work)


async def _findings(
    client: AsyncClient, training: Document, documents: list[Document], endpoint: str | None
) -> list[Finding]:
    from mnist_cli.checks import Finding, cluster_findings
    from mnist_cli.storage_check import Storage, storage_findings

    about_manifest, spec = await _dry_run(client, training)
    brought = {(item.kind, item.name): item.body for item in documents if not item.is_training}
    findings = [about_manifest, *await cluster_findings(client, training.body["metadata"], spec, brought)]
    try:
        storage = Storage.of(client.namespace, spec, endpoint)
    except (KeyError, TypeError):
        return [*findings, Finding.warn("storage", "was not checked, since the manifest is not accepted")]
    return findings + await storage_findings(client.api, storage, brought.get(("Secret", storage.secret)))


async def _dry_run(client: AsyncClient, training: Document) -> tuple[Finding, dict[str, Any]]:
    """What the API says to a manifest, and its spec: with the defaults where it is accepted."""
    from mnist_cli.checks import Finding

    server = client.connection.server
    try:
        done, after = await submit.apply(client, training, dry_run=True)
    except CommandError as error:
        message = error.message
    except MnistError as error:
        if error.may_pass or isinstance(error, (ConnectionFailedError, UnauthenticatedError)):
            raise
        message = error.message
    else:
        return Finding.ok("manifest", f"{server} accepts it (it would be {done})"), after.object["spec"]
    spec = training.body.get("spec")
    return Finding.fail("manifest", message), spec if isinstance(spec, dict) else {}


def _lines(findings: list[Finding]) -> list[str]:
    """A line for each finding, in columns, and an indented one with what to do."""
    width = max(len(finding.check) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.result:<4}  {finding.check:<{width}}  {finding.message}")
        if finding.action:
            lines.append(f"{'':<4}  {'':<{width}}  -> {finding.action}")
    return lines


def _report(name: str, findings: list[Finding]) -> dict[str, Any]:
    """For scripts: the training's name, whether it would run, and every finding."""
    from mnist_cli.checks import has_failure

    return {"name": name, "ok": not has_failure(findings), "checks": [asdict(finding) for finding in findings]}
