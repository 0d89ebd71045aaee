"""What workers print, brought to the driver by Ray as it comes: the last lines of a lost worker are there, too.

Ray would print them among the driver's own. Where its dispatcher is another, it is left alone, and workers have no log.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

_OF_RAY = "ray_print_logs"
_NAME = "mnist_trainer"


class WorkerLines:
    """Gives each worker's lines to `write`, under a number in the order in which they were first heard of.

    A worker that replaces a lost one is another process, and has a number of its own.
    """

    def __init__(self, write: Callable[[int, str], None], most: int) -> None:
        self._write = write
        self._most = most
        self._numbers: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    def take(self, data: Any) -> None:
        """Lines as Ray publishes them: `ip`, `pid` and `lines` of one process. Raises nothing."""
        with contextlib.suppress(Exception), self._lock:
            if not str(data["pid"]).isdigit():  # the autoscaler's
                return
            worker = (str(data["ip"]), str(data["pid"]))
            number = self._numbers.get(worker)
            if number is None:
                if len(self._numbers) >= self._most:
                    return
                number = self._numbers[worker] = len(self._numbers)
                self._write(number, f"--- process {data['pid']} on {data['ip']} ---\n")
            self._write(number, "".join(f"{line}\n" for line in data["lines"]))


def listen(lines: WorkerLines) -> None:
    """Take workers' lines over from Ray, which is connected with `log_to_driver`."""
    with contextlib.suppress(Exception):
        from ray._private.ray_logging import global_worker_stdstream_dispatcher as dispatcher

        dispatcher.remove_handler(_OF_RAY)
        dispatcher.remove_handler(_NAME)
        dispatcher.add_handler(_NAME, lines.take)
