"""Ray Train's files in an S3 store, without folders: S3 has none, and Ray asks for them.

PyArrow writes an empty object for every folder of a path, up to the bucket's first. Credentials that reach one prefix
alone may not write these, and stores that keep objects as files take them for files. So paths beginning with `s3://`
get a file system that makes no folders. With it, a private authority of the training is trusted.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pyarrow.fs import FileSelector, FileSystemHandler, PyFileSystem, S3FileSystem

_CA_VARIABLE = "MNIST_STORAGE_CA_PEM"


class FlatS3(FileSystemHandler):  # type: ignore[misc]  # pyarrow has no types
    """An S3 file system as PyArrow makes it, but for folders. It may travel to other processes."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        # Uploads in the background wait for the threads that copies of many files keep busy.
        self._s3 = S3FileSystem(**{**options, **_authority(), "background_writes": False})

    def __reduce__(self) -> tuple[type[FlatS3], tuple[dict[str, Any]]]:
        return FlatS3, (self._options,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FlatS3) and self._options == other._options

    def __hash__(self) -> int:
        return hash(repr(self._options))

    def get_type_name(self) -> str:
        return "s3"

    def normalize_path(self, path: str) -> str:
        return str(self._s3.normalize_path(path))

    def get_file_info(self, paths: list[str]) -> Any:
        return self._s3.get_file_info(paths)

    def get_file_info_selector(self, selector: FileSelector) -> Any:
        return self._s3.get_file_info(selector)

    def create_dir(self, path: str, recursive: bool) -> None:
        """Nothing: a folder is there when a file in it is."""

    def delete_dir(self, path: str) -> None:
        _remove(path, whole_folder=True)

    def delete_dir_contents(self, path: str, missing_dir_ok: bool = True) -> None:
        _remove(path, whole_folder=True)

    def delete_root_dir_contents(self) -> None:
        raise NotImplementedError("all buckets of a store are not deleted")

    def delete_file(self, path: str) -> None:
        _remove(path, whole_folder=False)

    def move(self, src: str, dest: str) -> None:
        self._s3.move(src, dest)

    def copy_file(self, src: str, dest: str) -> None:
        self._s3.copy_file(src, dest)

    def open_input_stream(self, path: str) -> Any:
        return self._s3.open_input_stream(path, compression=None)

    def open_input_file(self, path: str) -> Any:
        return self._s3.open_input_file(path)

    def open_output_stream(self, path: str, metadata: Any) -> Any:
        return self._s3.open_output_stream(path, compression=None, metadata=metadata)

    def open_append_stream(self, path: str, metadata: Any) -> Any:
        return self._s3.open_append_stream(path, compression=None, metadata=metadata)


def without_folders(filesystem: Any) -> Any:
    """The same store without folders; any other file system as it is."""
    if not isinstance(filesystem, S3FileSystem):
        return filesystem
    return PyFileSystem(FlatS3(filesystem.__reduce__()[1][0]))


def install() -> None:
    """Let Ray Train resolve `s3://` paths so, in this process. Where its code is another, nothing changes."""
    with contextlib.suppress(Exception):
        from ray.train.v2._internal.execution import storage

        resolve = storage.get_fs_and_path
        if getattr(resolve, "flat", False):
            return

        def flat(storage_path: Any, storage_filesystem: Any = None) -> Any:
            filesystem, path = resolve(storage_path, storage_filesystem)
            return (filesystem if storage_filesystem else without_folders(filesystem)), path

        flat.flat = True  # type: ignore[attr-defined]
        storage.get_fs_and_path = flat


def _remove(path: str, whole_folder: bool) -> None:
    """Remove an object, or all below a path. PyArrow would make the folder around it afterwards, lest it vanish."""
    client = _client()
    bucket, _, key = path.partition("/")
    if not whole_folder:
        client.remove_object(bucket, key)
        return
    for found in list(client.list_objects(bucket, prefix=f"{key.rstrip('/')}/", recursive=True)):
        client.remove_object(bucket, found.object_name)


def _client() -> Any:
    """A client made from the variables that PyArrow's is made from."""
    import urllib3
    from minio import Minio
    from minio.credentials import IamAwsProvider

    env = os.environ
    place = urlsplit(env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL") or "https://s3.amazonaws.com")
    key, region = env.get("AWS_ACCESS_KEY_ID"), env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION")
    authority = _authority().get("tls_ca_file_path")
    return Minio(
        place.netloc,
        access_key=key,
        secret_key=env.get("AWS_SECRET_ACCESS_KEY"),
        session_token=env.get("AWS_SESSION_TOKEN"),
        credentials=None if key else IamAwsProvider(),
        secure=place.scheme == "https",
        region=region,
        http_client=urllib3.PoolManager(ca_certs=authority) if authority else None,
    )


def _authority() -> dict[str, str]:
    text = os.environ.get(_CA_VARIABLE, "")
    if not text:
        return {}
    folder = Path(tempfile.mkdtemp(prefix="mnist-ca-"))
    (folder / "ca.crt").write_text(text)
    return {"tls_ca_file_path": str(folder / "ca.crt")}
