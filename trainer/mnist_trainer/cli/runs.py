"""`mnist-trainer runs`: what lies below an output prefix."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mnist_trainer.cli.options import Endpoint, Output, Region

if TYPE_CHECKING:
    from mnist_trainer.runs.catalogue import Run
    from mnist_trainer.runs.prune import Deletion
    from mnist_trainer.store import ObjectStore, S3Address

app = typer.Typer(no_args_is_help=True, help="Runs below an output prefix: list, show, compare, prune.")

_UNITS = ("B", "kB", "MB", "GB", "TB")

_Prefix = Annotated[
    str, typer.Argument(metavar="s3://BUCKET[/PATH]", help="Where the runs are: the trainings' output.")
]
_Address = Annotated[
    str, typer.Argument(metavar="s3://BUCKET/PATH", help="The run's folder, or one that holds only it.")
]


@app.command("list")
def list_(prefix: _Prefix, output: Output = "text", endpoint: Endpoint = None, region: Region = None) -> None:
    """List runs, sealed or not."""
    from mnist_trainer.runs.catalogue import list_runs

    store, root = _open(prefix, endpoint, region)
    runs = list_runs(store, root)
    if output == "json":
        typer.echo(json.dumps([_facts(run) for run in runs]))
        return
    if not runs:
        typer.echo(f"no runs at {root}", err=True)
        return
    now = datetime.now(UTC)
    rows = []
    for run in runs:
        facts = _facts(run)
        accuracy = "-" if facts["accuracy"] is None else f"{100 * facts['accuracy']:.2f} %"
        rows.append(
            [
                _relative(run, root),
                run.state,
                accuracy,
                "-" if facts["epochs"] is None else str(facts["epochs"]),
                "-" if facts["trainSeconds"] is None else f"{facts['trainSeconds']:.0f} s",
                size_text(run.found.size),
                age_text(run.found.modified, now),
            ]
        )
    typer.echo(table(["RUN", "STATE", "ACCURACY", "EPOCHS", "TRAINED", "SIZE", "AGE"], rows))


@app.command()
def show(address: _Address, output: Output = "text", endpoint: Endpoint = None, region: Region = None) -> None:
    """Show one run: its figures, epochs, configuration and files."""
    from mnist_trainer.runs.catalogue import epochs_of, one_run, read_metrics

    store, root = _open(address, endpoint, region)
    run = one_run(store, root)
    metrics = read_metrics(store, run) if run.manifest else {}
    if output == "json":
        files = [entry.model_dump(mode="json", by_alias=True) for entry in (run.manifest.files if run.manifest else [])]
        typer.echo(json.dumps({**_facts(run), "files": files, "metrics": metrics or None}))
        return
    for name, value in _facts(run).items():
        typer.echo(f"{name + ':':<14} {size_text(value) if name == 'bytes' else value_text(value)}")
    if run.manifest is None:
        return
    columns = ("epoch", "train_loss", "test_loss", "accuracy", "images_per_second", "workers")
    rows = [
        [value_text(record.get(name)) for name in columns] for record in epochs_of(metrics) if isinstance(record, dict)
    ]
    typer.echo("\n" + table([name.upper().replace("_", " ") for name in columns], rows))
    settings = [[name, value_text(value)] for name, value in run.manifest.config.items() if value is not None]
    typer.echo("\n" + table(["SETTING", "VALUE"], settings))
    files_ = [[entry.name, size_text(entry.size), entry.sha256] for entry in run.manifest.files]
    typer.echo("\n" + table(["FILE", "SIZE", "SHA256"], files_))


@app.command()
def compare(
    addresses: Annotated[list[str], typer.Argument(metavar="s3://BUCKET/PATH...", help="Two or more sealed runs.")],
    output: Output = "text",
    endpoint: Endpoint = None,
    region: Region = None,
) -> None:
    """Compare sealed runs: their figures, and the settings in which they differ."""
    from mnist_trainer.runs.catalogue import comparison, one_run, read_metrics

    if len(addresses) < 2:
        raise typer.BadParameter("give at least two runs", param_hint="ADDRESSES")
    found = []
    for text in addresses:
        store, address = _open(text, endpoint, region)
        run = one_run(store, address)
        found.append((str(run.address), read_metrics(store, run)))
    rows = comparison([metrics for _, metrics in found])
    if output == "json":
        typer.echo(json.dumps({"runs": [where for where, _ in found], "fields": dict(rows)}))
        return
    names = [str(number) for number in range(1, len(found) + 1)]
    for name, (where, _) in zip(names, found, strict=True):
        typer.echo(f"{name}: {where}")
    typer.echo("\n" + table(["FIELD", *names], [[field, *map(value_text, values)] for field, values in rows]))


@app.command()
def prune(
    prefix: _Prefix,
    keep: Annotated[int, typer.Option(min=0, metavar="N", help="Sealed runs of each training that stay.")],
    best: Annotated[bool, typer.Option("--best", help="Keep the most accurate ones instead of the newest.")] = False,
    unsealed_after: Annotated[
        float | None,
        typer.Option(
            min=1, metavar="HOURS", help="Also delete runs that are not sealed and were not written to for so long."
        ),
    ] = None,
    leftovers: Annotated[
        bool, typer.Option("--leftovers", help="Of the runs that stay, delete the checkpoints of their attempts.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted; do not ask.")] = False,
    output: Output = "text",
    endpoint: Endpoint = None,
    region: Region = None,
) -> None:
    """Delete old runs. Shows what would go, and asks on a terminal; elsewhere nothing is deleted without --yes.

    A training's runs are those of one folder. What is not the trainer's own is never deleted, nor is a damaged run.
    """
    from mnist_trainer.runs.catalogue import list_runs
    from mnist_trainer.runs.prune import PruneRules, plan_pruning

    if yes and dry_run:
        raise typer.BadParameter("give either --yes or --dry-run")
    store, root = _open(prefix, endpoint, region)
    idle = None if unsealed_after is None else timedelta(hours=unsealed_after)
    rules = PruneRules(keep, best, idle, leftovers)
    planned = plan_pruning(list_runs(store, root), rules, datetime.now(UTC))
    as_text = output == "text"
    if as_text:
        _show_plan(planned, root)
    agreed = bool(planned) and (yes or (as_text and not dry_run and _agrees(planned)))
    if agreed:
        _carry_out(store, planned)
    if not as_text:
        typer.echo(json.dumps({"deleted": agreed, "deletions": [_deletion(item) for item in planned]}))
    elif planned and not agreed:
        typer.echo("nothing was deleted" + ("" if dry_run or sys.stdin.isatty() else ": --yes deletes"))


def _open(text: str, endpoint: str | None, region: str | None) -> tuple[ObjectStore, S3Address]:
    from mnist_trainer.store import ObjectStore, S3Address, StoreSettings

    address = S3Address.parse(text)
    return ObjectStore(StoreSettings.from_env(None, endpoint=endpoint, region=region)), address


def _facts(run: Run) -> dict[str, Any]:
    manifest, found = run.manifest, run.found
    return {
        "run": str(run.address),
        "state": run.state,
        "name": manifest.name if manifest else None,
        "model": manifest.config.get("model") if manifest else None,
        "accuracy": manifest.accuracy if manifest else None,
        "epochs": manifest.epochs if manifest else found.checkpoint,
        "trainSeconds": manifest.train_seconds if manifest else None,
        "runId": manifest.run_id if manifest else None,
        "sealedAt": manifest.created_at.isoformat() if manifest else None,
        "modifiedAt": found.modified.isoformat() if found.modified else None,
        "bytes": found.size,
    }


def _relative(run: Run, root: S3Address) -> str:
    return str(run.address).removeprefix(str(root)).removeprefix("/") or "."


def _show_plan(planned: list[Deletion], root: S3Address) -> None:
    if not planned:
        typer.echo("nothing to delete")
        return
    rows = [
        [_relative(item.run, root), item.run.state, str(len(item.objects)), size_text(item.size), item.why]
        for item in planned
    ]
    typer.echo(table(["RUN", "STATE", "OBJECTS", "SIZE", "WHY"], rows))


def _agrees(planned: list[Deletion]) -> bool:
    if not sys.stdin.isatty():
        return False
    objects = sum(len(item.objects) for item in planned)
    return typer.confirm(f"Delete these {objects} objects ({size_text(sum(item.size for item in planned))})?")


def _carry_out(store: ObjectStore, planned: list[Deletion]) -> None:
    from mnist_trainer.runs.prune import delete

    gone = sum(len(list(delete(store, item))) for item in planned)
    typer.echo(f"deleted {gone} objects, {size_text(sum(item.size for item in planned))}", err=True)


def _deletion(item: Deletion) -> dict[str, Any]:
    return {"run": str(item.run.address), "why": item.why, "objects": len(item.objects), "bytes": item.size}


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, two spaces apart."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def size_text(count: float) -> str:
    """Bytes in the largest unit of which there is at least one."""
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def age_text(at: datetime | None, now: datetime) -> str:
    """How long ago, in one unit, as kubectl does."""
    if at is None:
        return "?"
    passed = max(timedelta(0), now - at)
    hours, minutes = divmod(int(passed.total_seconds()) // 60, 60)
    if hours >= 48:
        return f"{hours // 24}d"
    if hours:
        return f"{hours}h"
    return f"{minutes}m" if minutes else f"{int(passed.total_seconds())}s"


def value_text(value: object) -> str:
    """A value of a comparison."""
    if value is None:
        return "-"
    return f"{value:.5g}" if isinstance(value, float) else str(value)
