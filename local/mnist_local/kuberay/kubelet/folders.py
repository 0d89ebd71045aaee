"""Where a pod's files are.

Ray's sockets must not have long paths (AF_UNIX), so what holds sockets is in a short temporary folder; the rest is in
the working folder of the local KubeRay.
"""

import shutil
import tempfile
from pathlib import Path

from mnist_kube.objects import Object

_MARKER = "short-folder"
_SHORT_ROOT = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())


class PodFolders:
    """The folders of one pod.

    `home` is $HOME and the containers' working directory, `scratch` $MNIST_SCRATCH_DIR, `temporary` $TMPDIR,
    `service_account` $MNIST_SERVICEACCOUNT_DIR, `ray_token` the file $RAY_AUTH_TOKEN_PATH; `ray` Ray's --temp-dir;
    `volumes` has a folder each.
    """

    def __init__(self, root: Path, short: Path) -> None:
        self.root, self.short = root, short
        self.home, self.scratch, self.volumes = root / "home", root / "scratch", root / "volumes"
        self.service_account, self.ray_token = root / "serviceaccount", root / "ray-auth-token"
        self.temporary, self.ray = short / "t", short / "r"

    def make(self) -> None:
        """Create them, readable by this user only."""
        for path in (self.root, self.short, self.home, self.scratch, self.volumes, self.temporary):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write_ray_token(self, token: str) -> None:
        """Write the file that $RAY_AUTH_TOKEN_PATH names."""
        self.ray_token.touch(mode=0o600, exist_ok=True)
        self.ray_token.write_text(token)

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.rmtree(self.short, ignore_errors=True)


class Folders:
    """All folders of one local KubeRay; what a former one left in the same working folder is removed."""

    def __init__(self, work_dir: Path, pod_log_dir: Path) -> None:
        self._pods, self._marker, self._count = work_dir / "pods", work_dir / _MARKER, 0
        self._pod_log_dir = pod_log_dir
        work_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.rmtree(self._pods, ignore_errors=True)
        if self._marker.is_file():
            former = Path(self._marker.read_text().strip())
            if former.parent == _SHORT_ROOT and former.name.startswith("mk-"):
                shutil.rmtree(former, ignore_errors=True)
        self._short = Path(tempfile.mkdtemp(prefix="mk-", dir=_SHORT_ROOT))
        self._marker.write_text(str(self._short))
        self.bin = self._short / "bin"
        """First in a pod's PATH."""
        self.shim_errors = work_dir / "shims.log"
        """What shims themselves print: nothing, unless they are broken."""

    def pod(self, pod: Object) -> PodFolders:
        self._count += 1
        return PodFolders(self._pods / pod["metadata"]["uid"], self._short / str(self._count))

    def log(self, pod: Object, container: str) -> Path:
        """Return a container's log, in the kubelet's layout."""
        metadata = pod["metadata"]
        folder = f"{metadata['namespace']}_{metadata['name']}_{metadata['uid']}"
        return self._pod_log_dir / folder / container / "0.log"

    def close(self) -> None:
        """Remove all but the logs."""
        shutil.rmtree(self._short, ignore_errors=True)
        shutil.rmtree(self._pods, ignore_errors=True)
        self._marker.unlink(missing_ok=True)
