"""Where a pod's files are.

Ray's sockets must not have long paths (AF_UNIX), so what holds sockets is in a short temporary folder; the rest is in
the working folder of the local KubeRay.
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mnist_local.kuberay.json_types import Json

_MARKER = "short-folder"
_SHORT_ROOT = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())


@dataclass(frozen=True)
class PodFolders:
    """The folders of one pod."""

    root: Path
    short: Path

    @property
    def home(self) -> Path:
        """$HOME, and the working directory of its containers."""
        return self.root / "home"

    @property
    def scratch(self) -> Path:
        """$MNIST_SCRATCH_DIR."""
        return self.root / "scratch"

    @property
    def volumes(self) -> Path:
        """One folder per volume."""
        return self.root / "volumes"

    @property
    def service_account(self) -> Path:
        """$MNIST_SERVICEACCOUNT_DIR."""
        return self.root / "serviceaccount"

    @property
    def ray_token(self) -> Path:
        """$RAY_AUTH_TOKEN_PATH."""
        return self.root / "ray-auth-token"

    @property
    def temporary(self) -> Path:
        """$TMPDIR."""
        return self.short / "t"

    def ray(self, restart: int) -> Path:
        """--temp-dir of a Ray node, another one for each start."""
        return self.short / f"r{restart}"

    def make(self) -> None:
        """Create them, readable by this user only."""
        for path in (self.root, self.short, self.home, self.scratch, self.volumes, self.temporary):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write_ray_token(self, token: str) -> None:
        """The file that $RAY_AUTH_TOKEN_PATH names."""
        self.ray_token.touch(mode=0o600, exist_ok=True)
        self.ray_token.write_text(token)

    def remove(self) -> None:
        """Delete them with everything in them."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.rmtree(self.short, ignore_errors=True)


class Folders:
    """All folders of one local KubeRay."""

    def __init__(self, work_dir: Path, pod_log_dir: Path) -> None:
        """Removes what a former process left in the same working folder."""
        self._work_dir = work_dir
        self._pod_log_dir = pod_log_dir
        self._count = 0
        work_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._marker = work_dir / _MARKER
        self._remove_former()
        self._short = Path(tempfile.mkdtemp(prefix="mk-", dir=_SHORT_ROOT))
        self._marker.write_text(str(self._short))

    @property
    def bin(self) -> Path:
        """Programs that come before those of the virtual environment in a pod's PATH."""
        return self._short / "bin"

    def supervisor_errors(self) -> Path:
        """What supervisors themselves print: nothing, unless they are broken."""
        return self._work_dir / "supervisors.log"

    def pod(self, pod: Json) -> PodFolders:
        """Folders of a new pod."""
        self._count += 1
        return PodFolders(self._work_dir / "pods" / pod["metadata"]["uid"], self._short / str(self._count))

    def log(self, pod: Json, container: str) -> Path:
        """A container's log, in the kubelet's layout."""
        metadata = pod["metadata"]
        folder = f"{metadata['namespace']}_{metadata['name']}_{metadata['uid']}"
        return self._pod_log_dir / folder / container / "0.log"

    def close(self) -> None:
        """Remove all but the logs."""
        shutil.rmtree(self._short, ignore_errors=True)
        shutil.rmtree(self._work_dir / "pods", ignore_errors=True)
        self._marker.unlink(missing_ok=True)

    def _remove_former(self) -> None:
        shutil.rmtree(self._work_dir / "pods", ignore_errors=True)
        if self._marker.is_file():
            former = Path(self._marker.read_text().strip())
            if former.parent == _SHORT_ROOT and former.name.startswith("mk-"):
                shutil.rmtree(former, ignore_errors=True)
