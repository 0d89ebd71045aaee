"""`mnistctl local up` and `status`: a stack that outlives the command."""

from __future__ import annotations

import os
from pathlib import Path

from mnist_cli.eventloop import InterruptedRunError
from mnist_cli.eventloop import run as run_interruptibly
from mnist_cli.local.seeding import Files, check_folder, seed
from mnist_client.show import Lines, make_view
from mnist_client.threads import in_thread
from mnist_local.stack import stack_process
from mnist_local.stack.layout import Layout, Options, StackError
from mnist_trainer.store import ObjectStore, S3Address, StoreSettings

_DIGITS, _MNIST, _MODELS = "s3://datasets/digits", "s3://datasets/mnist", "s3://models"


def start(folder: Path, data: Path | None, api_port: int, s3_port: int) -> int:
    """Start a stack, prepare its buckets, and say how to use it; returns the exit code.

    Raises StackError when it failed, TrainerError for bad data.
    """
    files = check_folder(data)
    layout = Layout.at(folder)
    try:
        run_interruptibly(_up(layout, files, Options(api_port, s3_port, restart=True, portal=True)))
    except InterruptedRunError as interrupted:
        print(f"interrupted by {interrupted}: the local stack was ended")
        return interrupted.exit_code
    print(f"export KUBECONFIG={layout.kubeconfig}")
    print(f"# in the browser, once: {portal_address(layout)}")
    print("# then: kubectl apply -f examples/quickstart.yaml; kubectl get mt -w")
    print(f"# buckets: source {layout.s3_env}; mnistctl data list --bucket datasets")
    print(f"# end it: mnistctl local down --dir {os.path.relpath(layout.root)}")
    return 0


async def _up(layout: Layout, data: Files | None, options: Options) -> int:
    stack = stack_process.StackProcess(layout, options, detached=True)
    with make_view() as view:
        view.busy("starting the local stack")
        try:
            await stack.start()
            async for event in stack.events():
                if event["event"] == "s3":
                    await in_thread(_prepare, layout, data, view)
                    view.busy("starting the local stack")
                if event["event"] == "up":
                    return 0
            raise StackError("the local stack was ended while it started", (), str(layout.log("stack")))
        except BaseException:
            await stack.stop()
            raise


def _prepare(layout: Layout, data: Files | None, view: Lines) -> None:
    from mnist_cli.local.run import exports

    store = ObjectStore(StoreSettings.from_env(exports(layout.s3_env)))
    view.busy("preparing the buckets")
    seed(store, S3Address.parse(_DIGITS), None)
    if data:
        seed(store, S3Address.parse(_MNIST), data)
    store.make_bucket(S3Address.parse(_MODELS))


def portal_address(layout: Layout) -> str:
    """The address that opens the portal next; empty while it is not there."""
    try:
        return layout.portal_address.read_text().strip()
    except OSError:
        return ""


def describe(folder: Path) -> tuple[int, list[str]]:
    """What runs in a folder, in lines; the exit code is 0 if a stack is up and all its parts stay up."""
    layout = Layout.at(folder)
    state = stack_process.running(layout)
    if state is None:
        failure = stack_process.last_failure(layout)
        return 1, [f"no local stack is running in {folder}" + (f"; the last one ended: {failure}" if failure else "")]
    trouble = [part.name for part in state.parts if part.is_in_trouble()]
    told = f", but this ends again and again: {', '.join(trouble)}" if trouble else ""
    lines = [f"local stack in {layout.root}: {state.phase} (pid {state.pid}){told}"]
    lines += [line for part in state.parts for line in part.lines()]
    if state.phase == "up":
        lines += [
            f"export KUBECONFIG={state.kubeconfig}",
            f"source {layout.s3_env}  # the buckets, at {state.endpoint}",
        ]
        lines += [f"{address}  # opens the portal once"] if (address := portal_address(layout)) else []
    return 0 if state.phase == "up" and not trouble else 1, lines
