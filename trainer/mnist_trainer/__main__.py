"""``python -m mnist_trainer`` and the `mnist-trainer` command."""

from __future__ import annotations

import time

_STARTED = time.time()


def main() -> None:
    """Run the command line."""
    from mnist_trainer.cli.app import run

    run(_STARTED)


if __name__ == "__main__":
    main()
