"""`python -m mnist_local.kuberay`: run a local KubeRay against an API server."""

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from mnist_local.kuberay import manager
from mnist_local.kuberay.kubeconfig import KubeconfigError
from mnist_local.kuberay.kubelet import starts
from mnist_local.kuberay.rayjob_status import Limits
from mnist_local.kuberay.settings import Settings


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="python -m mnist_local.kuberay",
        description="Runs RayClusters and RayJobs of an API server as processes of this machine. For development.",
    )
    result.add_argument("--kubeconfig", type=Path, required=True, help="how to reach the API server")
    result.add_argument("--work-dir", type=Path, required=True, help="folder for the pods' files")
    result.add_argument("--pod-log-dir", type=Path, required=True, help="folder for the containers' logs")
    result.add_argument("--namespace", action="append", default=[], help="namespace to serve (default: all)")
    result.add_argument("--ray", type=Path, help="Ray's command (default: the one beside this Python)")
    limits = Limits()
    result.add_argument(
        "--status-check-timeout",
        type=float,
        default=limits.status_check_timeout_s,
        metavar="SECONDS",
        help="an unreachable dashboard fails a RayJob after this time (default: %(default)s)",
    )
    result.add_argument(
        "--keep-status-while-unreachable",
        action="store_true",
        help="leave jobStatus as it was while the dashboard cannot be reached, instead of writing `Failure`",
    )
    result.add_argument(
        "--starts-at-once",
        type=int,
        default=starts.default_count(),
        metavar="NUMBER",
        help="Ray nodes that start at a time, of all local stacks together (default: one per core and one more)",
    )
    result.add_argument("--verbose", action="store_true", help="log more")
    return result


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM. Exit code 2 for an unusable kubeconfig."""
    options = parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    ray = {"ray": options.ray.resolve()} if options.ray else {}
    settings = Settings(
        **ray,
        kubeconfig=options.kubeconfig.resolve(),
        work_dir=options.work_dir.resolve(),
        pod_log_dir=options.pod_log_dir.resolve(),
        namespaces=tuple(options.namespace),
        starts_at_once=max(1, options.starts_at_once),
        limits=Limits(
            status_check_timeout_s=options.status_check_timeout,
            keep_status_while_unreachable=options.keep_status_while_unreachable,
        ),
    )
    try:
        asyncio.run(_run(settings))
    except (KubeconfigError, OSError) as error:
        sys.stderr.write(f"local KubeRay: {error}\n")
        return 2
    return 0


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await manager.run(settings, stop)


if __name__ == "__main__":
    sys.exit(main())
