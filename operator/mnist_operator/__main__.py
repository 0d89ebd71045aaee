"""Command line of the operator: `mnist-operator run`."""

from __future__ import annotations

import argparse
import asyncio
import sys

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


def _run() -> int:
    from mnist_kube.kubeconfig import KubeconfigError
    from mnist_kube.lease import LeaseLostError
    from mnist_operator.controller import RestartNeededError
    from mnist_operator.run import configure_logs, run
    from mnist_operator.settings import Settings

    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "MNIST_OPERATOR_" + "_".join(str(part) for part in first["loc"]).upper()
        sys.stderr.write(f"mnist-operator: {name}: {first['msg']}\n")
        return 2
    configure_logs(settings.log_format, settings.log_level)
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
