"""The commands for trainings in a cluster. What they need is imported when they run: the start must be quick."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnist_cli.options import Output, checked_output

if TYPE_CHECKING:
    from mnist_cli.workstation.session import Session


def _names(context: typer.Context) -> list[str]:
    """Names of trainings, for shell completion: nothing where there is no cluster to ask."""
    from mnist_cli.workstation.completion import training_names

    return training_names(context.params)


Name = Annotated[str, typer.Argument(metavar="NAME", help="The training.", autocompletion=_names)]
Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", metavar="NAME", help="Default: the context's, else `default`.")
]
Context = Annotated[str | None, typer.Option("--context", metavar="NAME", help="A context of the kubeconfig.")]
Kubeconfig = Annotated[
    Path | None, typer.Option("--kubeconfig", metavar="FILE", help="Default: $KUBECONFIG, else ~/.kube/config.")
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="E.g. spec.training.epochs=3. Repeatable.")
]
Endpoint = Annotated[str | None, typer.Option("--endpoint", metavar="URL", help="Where the store is seen from here.")]
Wait = Annotated[bool, typer.Option("--wait", help="Return when it has taken effect.")]


def submit(
    manifest: Annotated[Path, typer.Argument(metavar="FILE", help="A file with one MnistTraining; - is stdin.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show progress until it ends.")] = False,
    settings: Settings = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask the server, and change nothing.")] = False,
    force: Annotated[
        bool, typer.Option("--force-conflicts", help="Take over fields that another tool manages.")
    ] = False,
    unchecked: Annotated[
        bool, typer.Option("--no-check", help="Do not ask the store for dataset and output first.")
    ] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Create a training from a manifest, or change it. The store is checked first if it can be reached from here.

    Exit code with --follow: 0 if it succeeded, 1 if it failed.
    """
    from mnist_cli.workstation import submit as command

    document = command.the_training(manifest, settings or [])
    request = command.Submission(manifest, settings or [], follow, dry_run, force, not unchecked)
    _do(
        namespace,
        context,
        kubeconfig,
        lambda session: command.submit(session, request, document),
        f"{document.name} goes on without you; see it again: mnistctl watch {document.name}" if follow else "",
    )


def check(
    manifest: Annotated[
        Path, typer.Argument(metavar="FILE", help="A file with MnistTrainings, and what they need; - is stdin.")
    ],
    settings: Settings = None,
    endpoint: Endpoint = None,
    output: Output = "text",
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Check all that a manifest names before it is applied: Secret, store, dataset, output, KubeRay and more.

    Exit code 0 if it would run (warnings included), 1 if a check failed.
    """
    from mnist_cli.workstation import check as command

    request = command.CheckRequest(manifest, settings or [], endpoint, checked_output(output) == "json")
    _do(namespace, context, kubeconfig, lambda session: command.check(session, request))


def watch(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Only this one, until it ends.", autocompletion=_names)
    ] = None,
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of all namespaces.")] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Watch trainings in a live table; lines where stdout is no terminal."""
    from mnist_cli.workstation.watch import watch as command

    if name and all_namespaces:
        raise typer.BadParameter("a NAME is looked for in one namespace: leave --all-namespaces out")
    _do(namespace, context, kubeconfig, lambda session: command(session, name, all_namespaces))


def logs(
    name: Name,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it is written, into new attempts.")] = False,
    attempt: Annotated[int | None, typer.Option("--attempt", min=1, metavar="N", help="Default: the last.")] = None,
    tail: Annotated[int | None, typer.Option("--tail", min=0, metavar="LINES", help="Only the last lines.")] = None,
    head: Annotated[bool, typer.Option("--head", help="The Ray head's own log instead.")] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Print the trainer's log."""
    from mnist_cli.workstation import logs as command

    request = command.LogRequest(name, follow, attempt, tail, head)
    _do(namespace, context, kubeconfig, lambda session: command.logs(session, request))


def suspend(
    name: Name,
    wait: Wait = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Stop a training and free its cluster; `resume` goes on from its last checkpoint."""
    from mnist_cli.workstation.switch import switch

    _do(namespace, context, kubeconfig, lambda session: switch(session, name, suspend=True, wait=wait))


def resume(
    name: Name,
    wait: Wait = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Let a suspended training go on."""
    from mnist_cli.workstation.switch import switch

    _do(namespace, context, kubeconfig, lambda session: switch(session, name, suspend=False, wait=wait))


def report(
    name: Name,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Default: NAME-report.html; - is stdout.")
    ] = None,
    endpoint: Endpoint = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Fetch the report of a finished training from its store.

    Credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, else the training's own Secret if you may read it.
    """
    from mnist_cli.workstation import report as command

    request = command.ReportRequest(name, output, show, endpoint)
    _do(namespace, context, kubeconfig, lambda session: command.report(session, request))


def status(name: Name, namespace: Namespace = None, context: Context = None, kubeconfig: Kubeconfig = None) -> None:
    """Tell where a training stands, and why."""
    from mnist_cli.workstation.status import status as command

    _do(namespace, context, kubeconfig, lambda session: command(session, name))


COMMANDS = (submit, check, watch, logs, status, suspend, resume, report)


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    for command in COMMANDS:
        app.command(rich_help_panel=None)(command)


def _do(
    namespace: str | None,
    context: str | None,
    kubeconfig: Path | None,
    work: Callable[[Session], Awaitable[int]],
    parting: str = "",
) -> None:
    """Run a command in a session; `parting` is said when a signal ends it. Raises typer.Exit with its code."""
    from mnist_cli.interrupt import InterruptedRunError
    from mnist_cli.workstation.session import Where, in_session

    try:
        code = in_session(Where(kubeconfig, context, namespace), work)
    except InterruptedRunError as interrupted:
        if parting:
            print(parting)
        code = 130 if interrupted.number == signal.SIGINT else 128 + interrupted.number
    raise typer.Exit(code)
