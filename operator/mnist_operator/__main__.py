"""Command line of the operator: `mnist-operator run`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from pydantic import ValidationError


def main(argv: list[str] | None = None) -> int:
    """Run the operator, or print its CRD."""
    parser = argparse.ArgumentParser(prog="mnist-operator", description="Runs MnistTrainings on KubeRay.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="serve MnistTrainings; settings are MNIST_OPERATOR_* variables")
    commands.add_parser("crd", help="print the CustomResourceDefinition")
    args = parser.parse_args(argv)
    if args.command == "crd":
        from mnist_operator.api.crd import render

        sys.stdout.write(render())
        return 0
    return _run()


def _ensure_home() -> None:
    """Give a uid that stands in no passwd file a home folder: the Kubernetes client asks for one as it is imported."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = tempfile.gettempdir()


def _run() -> int:
    _ensure_home()
    from mnist_kube.kubeconfig import KubeconfigError
    from mnist_kube.lease import LeaseLostError
    from mnist_operator.app import logs
    from mnist_operator.app.controller import RestartNeededError
    from mnist_operator.app.run import run
    from mnist_operator.app.settings import Settings

    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "MNIST_OPERATOR_" + "_".join(str(part) for part in first["loc"]).upper()
        sys.stderr.write(f"mnist-operator: {name}: {first['msg']}\n")
        return 2
    logs.configure(settings.log_format, settings.log_level)
    try:
        asyncio.run(run(settings))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 0  # asked to end before there was anything to end
    except (OSError, KubeconfigError, LeaseLostError, RestartNeededError) as error:
        sys.stderr.write(f"mnist-operator: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
