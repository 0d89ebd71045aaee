"""`python -m mnist_local.kuberay`: run a local KubeRay against an API server."""

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from mnist_kube.kubeconfig import KubeconfigError
from mnist_local.kuberay import manager
from mnist_local.kuberay.kubelet import starts
from mnist_local.kuberay.rayjob_status import Limits


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mnist_local.kuberay",
        description="Runs RayClusters and RayJobs of an API server as processes of this machine. For development.",
    )
    parser.add_argument("--kubeconfig", type=Path, required=True, help="how to reach the API server")
    parser.add_argument("--work-dir", type=Path, required=True, help="folder for the pods' files")
    parser.add_argument("--pod-log-dir", type=Path, required=True, help="folder for the containers' logs")
    parser.add_argument("--ray", type=Path, help="Ray's command (default: the one beside this Python)")
    parser.add_argument(
        "--status-check-timeout",
        type=float,
        default=Limits().status_check_timeout_s,
        metavar="SECONDS",
        help="an unreachable dashboard fails a RayJob after this time (default: %(default)s)",
    )
    parser.add_argument(
        "--starts-at-once",
        type=int,
        default=starts.default_count(),
        metavar="NUMBER",
        help="Ray nodes that start at a time, of all local stacks together (default: one per core and one more)",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM. Exit code 2 for an unusable kubeconfig."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    ray = {"ray": options.ray.resolve()} if options.ray else {}
    settings = manager.Settings(
        **ray,
        kubeconfig=options.kubeconfig.resolve(),
        work_dir=options.work_dir.resolve(),
        pod_log_dir=options.pod_log_dir.resolve(),
        starts_at_once=max(1, options.starts_at_once),
        limits=Limits(status_check_timeout_s=options.status_check_timeout),
    )
    try:
        asyncio.run(_run(settings))
    except (KubeconfigError, OSError) as error:
        sys.stderr.write(f"local KubeRay: {error}\n")
        return 2
    return 0


async def _run(settings: manager.Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await manager.run(settings, stop)


if __name__ == "__main__":
    sys.exit(main())
