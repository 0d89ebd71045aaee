"""Messages from the thread that trains to the driver that asks for them."""

from __future__ import annotations

import threading

from mnist_trainer.raytrain.messages import Message, Progressed


class Mailbox:
    """Messages in order; of several reports of progress in a row only the last is kept."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._messages: list[Message] = []
        self._open = False

    def open(self) -> None:
        """Begin anew: what is left from before is dropped."""
        with self._condition:
            self._messages, self._open = [], True

    def close(self) -> None:
        """There will be no more: whoever waits gets what there is."""
        with self._condition:
            self._open = False
            self._condition.notify_all()

    def put(self, message: Message) -> None:
        """Add a message; never waits."""
        with self._condition:
            if isinstance(message, Progressed) and self._messages and isinstance(self._messages[-1], Progressed):
                self._messages.pop()
            self._messages.append(message)
            self._condition.notify_all()

    def take(self, wait: float) -> list[Message]:
        """All messages so far; waits up to `wait` seconds for the first, unless closed."""
        with self._condition:
            self._condition.wait_for(lambda: bool(self._messages) or not self._open, wait)
            taken, self._messages = self._messages, []
            return taken
