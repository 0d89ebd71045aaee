"""A whole run of the user's own command, in order: check the store, fetch the code, run the command, seal its output.

The status is claimed first and confirmed before the seal, as in a run of our own recipe: a process that was replaced
ends its command and seals nothing.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mnist_trainer.code.redaction import Redaction
from mnist_trainer.code.source import Code, find_code, scratch_folder
from mnist_trainer.config import ScriptConfig
from mnist_trainer.errors import FailureReason, InvalidConfigError, TrainerError
from mnist_trainer.kube.reporter import TrainingState, failure, make_reporter
from mnist_trainer.kube.reporter_client import KubeAccess, ReporterClient
from mnist_trainer.logs.attempt import DRIVER, AttemptLogs
from mnist_trainer.logs.files import LogHandler
from mnist_trainer.naming import RELEASE_MANIFEST, RunPlace, new_run_id
from mnist_trainer.release.publish import ReleaseManifest, find_release
from mnist_trainer.run.console import Console
from mnist_trainer.run.preflight import check_output
from mnist_trainer.run.stopping import LAST_WORDS, REPORT_PATIENCE, StopRequestedError, raise_on_signals
from mnist_trainer.run.storage import RunStorage
from mnist_trainer.script import seal
from mnist_trainer.script.child import Child
from mnist_trainer.script.credentials import variables
from mnist_trainer.script.environment import Surroundings, environment
from mnist_trainer.script.exported import ExportedMetrics
from mnist_trainer.script.intake import Intake, Report
from mnist_trainer.script.outcome import failure_of
from mnist_trainer.script.printed import Printed
from mnist_trainer.script.progress import ScriptProgress

_LOOK_SECONDS = 0.5
_GRACE = 30.0
_GRACE_WHEN_STOPPED = 1.0  # of the 3 s that a stopped Ray job has
_LOGS_PATIENCE, _LAST_LOGS = 60.0, 1.0

logger = logging.getLogger(__name__)


class ScriptRun:
    """One run of `config.command`, in one process with a run id of its own."""

    def __init__(self, config: ScriptConfig, env: MutableMapping[str, str], console: Console) -> None:
        self._config = config
        self._env = env
        self._console = console
        self._place = RunPlace(config.output_address, config.attempt, new_run_id())
        access = KubeAccess.from_env(env)
        client = ReporterClient(access) if access else None
        self._storage = RunStorage(config, env, client)
        self._reporter = make_reporter(client, config.training, self._place)
        self._progress = ScriptProgress(self._reporter)
        self._folder = Path(tempfile.mkdtemp(prefix="mnist-run-", dir=scratch_folder(env)))
        self._logs = AttemptLogs(self._folder)
        self._redacted = Redaction.of_environment(env)
        self._child: Child | None = None
        self._exported: ExportedMetrics | None = None
        self._began = time.time()

    def execute(self) -> dict[str, Any]:
        """Run the command and seal its output, or find that this was done; returns the result as the status has it.

        Raises TrainerError, after it has been reported.
        """
        driver = self._logs.log(DRIVER)

        def write(text: str) -> None:
            driver.write(self._redacted(text))  # which learns of more secrets on the way

        self._console.copy_to(write)
        logging.getLogger().addHandler(LogHandler(write))
        try:
            result = self._run()
            self._reporter.update(TrainingState.SUCCEEDED, progressPercent=100, etaSeconds=0, result=result)
            self._reporter.confirm(REPORT_PATIENCE)
        except TrainerError as error:
            told = TrainerError(self._redacted(error.message), error.reason)
            self._end(told, isinstance(error, StopRequestedError))
            raise told from None
        except Exception as error:
            logger.exception("the trainer failed in a way that it should not")
            message = self._redacted(f"{type(error).__name__}: {error}")
            unexpected = TrainerError(message, FailureReason.INTERNAL_ERROR)
            self._end(unexpected, interrupted=False)
            raise unexpected from error
        else:
            self._logs.close(_LOGS_PATIENCE)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
        return result

    def _run(self) -> dict[str, Any]:
        config, use = self._config, self._storage.use
        use(lambda store: check_output(store, config.output_address))
        self._logs.start(use, self._place.logs)
        code = use(lambda store: find_code(store, config.code_address, config.code_sha256, self._env))
        lineage = seal.lineage(config, code.digest)
        existing = use(lambda store: find_release(store, config.output_address))
        if existing is not None:
            return self._already_sealed(existing, lineage)
        self._run_command(code)
        return self._seal(lineage)

    # --- the command ---------------------------------------------------------------------------------------------

    def _run_command(self, code: Code) -> None:
        config = self._config
        intake = Intake(self._head_address(), self._take)
        surroundings = self._surroundings(code, intake)
        settings = self._storage.use(lambda store: store.settings)
        env = environment(config, self._place, surroundings, {**self._env, **variables(settings, self._folder)})
        self._redacted = Redaction.of_environment(env)
        printed = Printed(self._redacted, self._logs.log(DRIVER).write)
        self._console.line(f"running {' '.join(config.command)} with code from {code.where}")
        self._reporter.update(TrainingState.TRAINING)
        try:
            self._child = Child(config.command, surroundings.code, env, printed.take)
            self._exported = ExportedMetrics.start(config, self._env, self._progress)
            status = self._follow(self._child)
            if left := self._child.clean_up():
                self._console.line(f"ended {left} processes that the command had left behind")
        except BaseException as error:
            if self._child is not None:
                self._child.stop(_GRACE_WHEN_STOPPED if isinstance(error, StopRequestedError) else _GRACE)
                self._child.clean_up()
            raise
        finally:
            intake.close()
        if status:
            raise failure_of(status, printed.tail())

    def _take(self, report: Report) -> None:
        """Names of figures are shown as well: one that is a secret is left out."""
        metrics = {name: value for name, value in report.metrics.items() if self._redacted(name) == name}
        self._progress.take(replace(report, metrics=metrics))

    def _follow(self, child: Child) -> int:
        """Wait for the command's end. Raises ReplacedError once another process trains, StopRequestedError if asked."""
        while (status := child.wait(_LOOK_SECONDS)) is None:
            self._reporter.check()
            if self._exported is not None and self._exported.just_connected():
                raise_on_signals()  # again: Ray has put its own handlers in the place of ours
        return status

    def _surroundings(self, code: Code, intake: Intake) -> Surroundings:
        folder, output = self._folder / "code", self._folder / "output"
        output.mkdir()
        unpacked = code.place({**self._env, "MNIST_SCRATCH_DIR": str(self._folder)})
        if unpacked is None:
            folder.mkdir()
        else:
            unpacked.rename(folder)
        return Surroundings(folder, unpacked is not None, output, intake.url, intake.token)

    def _head_address(self) -> str:
        """The head's, where workers on other nodes reach this process; without a cluster this machine's own."""
        host = urlsplit(f"//{self._env.get('RAY_ADDRESS', '')}").hostname
        return host if host and host != "auto" else "127.0.0.1"

    # --- the end -------------------------------------------------------------------------------------------------

    def _seal(self, lineage: str) -> dict[str, Any]:
        use, place, progress = self._storage.use, self._place, self._progress
        self._reporter.update(TrainingState.PUBLISHING)
        # Only the process whose reports the API accepts may touch what users see: the files, and then the seal.
        self._reporter.confirm(REPORT_PATIENCE)
        seconds = time.time() - self._began
        metrics = seal.metrics_of(self._config, place, progress, seconds)
        use(lambda store: seal.upload_folder(store, self._folder / "output", place.output))
        use(lambda store: seal.add_reports(store, place.output, metrics))
        manifest = use(lambda store: seal.make_manifest(store, self._config, place, lineage, progress, seconds))
        self._reporter.confirm(REPORT_PATIENCE)
        address = place.output.child(RELEASE_MANIFEST)
        use(lambda store: store.put_bytes(address, manifest.encode(), "application/json"))
        size = sum(entry.size for entry in manifest.files)
        self._console.line(f"sealed {len(manifest.files)} files of {size:,} bytes in {place.output}")
        return seal.result_of(place.output, manifest)

    def _already_sealed(self, manifest: ReleaseManifest, lineage: str) -> dict[str, Any]:
        if manifest.lineage != lineage:
            raise InvalidConfigError(
                f"{self._place.output} already holds the result of another command or of other code "
                f"(run {manifest.run_id}): choose another --output"
            )
        self._console.line(f"found the result of run {manifest.run_id}: nothing to run")
        self._reporter.update(TrainingState.PUBLISHING, progressPercent=100, accuracy=manifest.accuracy)
        return seal.result_of(self._place.output, manifest)

    def _end(self, error: TrainerError, interrupted: bool) -> None:
        """Report how it ended, without holding up the end for long. A replaced process keeps silent."""
        self._logs.log(DRIVER).write(f"error: {error.message} ({error.reason.value})\n")
        if error.reason is not FailureReason.REPLACED:
            state = TrainingState.INTERRUPTED if interrupted else TrainingState.FAILED
            self._reporter.update(state, failure=failure(error))
        self._logs.close(_LAST_LOGS if interrupted else _LOGS_PATIENCE)
        if error.reason is FailureReason.REPLACED:
            return
        try:
            self._reporter.confirm(LAST_WORDS if interrupted else REPORT_PATIENCE)
        except TrainerError as problem:
            logger.warning("%s", problem.message)
