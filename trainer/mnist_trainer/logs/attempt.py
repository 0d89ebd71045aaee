"""The logs of one attempt: kept in a folder, and uploaded by a thread at intervals and at the end."""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from mnist_trainer.errors import ObjectNotFoundError, ObjectTooLargeError, TrainerError
from mnist_trainer.logs.files import PART_BYTES, PARTS, RotatedLog
from mnist_trainer.store import ObjectStore, S3Address

DRIVER = "driver"
_FIRST_SECONDS, _MOST_SECONDS, _GROWTH = 5.0, 60.0, 1.5
_TEXT = "text/plain; charset=utf-8"

logger = logging.getLogger(__name__)


class AttemptLogs:
    """Logs by name. `start` begins to upload them to `place`; whatever the store says, the run goes on.

    An attempt may see several processes, for KubeRay starts a job over after a lost head: each goes on with the log.
    """

    def __init__(self, parent: Path | None = None, part_bytes: int = PART_BYTES, parts: int = PARTS) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="mnist-logs-", dir=parent))
        self._part_bytes, self._parts = part_bytes, parts
        self._logs: dict[str, RotatedLog] = {}
        self._uploaded: dict[Path, tuple[int, int]] = {}
        self._closing = threading.Event()
        self._uploading = threading.Lock()
        self._thread: threading.Thread | None = None
        self._use: Callable[[Callable[[ObjectStore], None]], None] | None = None
        self._place: S3Address | None = None
        self.collect: Callable[[], None] = lambda: None
        """Called before each upload, to fetch what other machines have logged."""

    def log(self, name: str) -> RotatedLog:
        """The log of that name, `driver` or `worker-0`; it is there from now on."""
        if name not in self._logs:
            self._logs[name] = RotatedLog(self._folder, name, self._part_bytes, self._parts)
        return self._logs[name]

    def start(self, use: Callable[[Callable[[ObjectStore], None]], None], place: S3Address) -> None:
        """Upload to `place` from now on; `use` runs an action on the store."""
        self._use, self._place = use, place
        self._thread = threading.Thread(target=self._run, name="log-uploader", daemon=True)
        self._thread.start()

    def close(self, patience: float) -> None:
        """Upload what is new a last time, for at most so long, and remove the folder."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(patience)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self) -> None:
        self._go_on_with_earlier()
        interval = _FIRST_SECONDS
        while not self._closing.wait(interval):
            self._upload()
            interval = min(_MOST_SECONDS, interval * _GROWTH)
        self._upload()

    def _go_on_with_earlier(self) -> None:
        place = self._place
        assert self._use is not None
        assert place is not None

        def read(store: ObjectStore) -> None:
            with contextlib.suppress(ObjectNotFoundError, ObjectTooLargeError):
                self.log(DRIVER).begin_with(store.get_bytes(place.child(f"{DRIVER}.log"), 2 * self._part_bytes))

        with contextlib.suppress(TrainerError):
            self._use(read)

    def _upload(self) -> None:
        """Upload each file that has changed. What fails is tried again at the next time."""
        assert self._use is not None
        with contextlib.suppress(Exception):
            self.collect()
        with self._uploading:
            for path in sorted(self._folder.glob("*.log")):
                try:
                    self._upload_one(path)
                except TrainerError as error:
                    logger.debug("%s is not uploaded yet: %s", path.name, error.message)
                except OSError:
                    continue  # rotated meanwhile

    def _upload_one(self, path: Path) -> None:
        place, use = self._place, self._use
        assert place is not None
        assert use is not None
        found = path.stat()
        version = (found.st_size, found.st_mtime_ns)
        if self._uploaded.get(path) == version:
            return
        data = path.read_bytes()

        def put(store: ObjectStore) -> None:
            store.put_bytes(place.child(path.name), data, _TEXT)

        use(put)
        self._uploaded[path] = version
