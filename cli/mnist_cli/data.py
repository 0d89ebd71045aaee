"""`mnistctl data`: datasets on this machine and in a bucket.

Each command is a thin layer over `transfer`, or over the trainer's own reader of datasets; what these need is imported
when they run.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnist_cli.convert import convert
from mnist_cli.options import Bucket, Dataset, Endpoint, LocalFile, MakeBucket, Output, Prefix
from mnist_trainer.errors import InvalidConfigError

if TYPE_CHECKING:
    from mnist_trainer.store import ObjectInfo, ObjectStore, S3Address

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Get, move and check datasets. Credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
)
app.command()(convert)


@dataclass(frozen=True)
class Place:
    """What `--endpoint`, `--bucket`, `--prefix` and `--dataset` say."""

    endpoint: str | None = None
    bucket: str | None = None
    prefix: str | None = None
    dataset: str | None = None

    @property
    def given(self) -> bool:
        """Whether it names a bucket."""
        return bool(self.bucket or self.prefix or self.dataset)

    @property
    def address(self) -> S3Address:
        """What `--dataset` names, or `--bucket` and perhaps `--prefix`. Raises InvalidConfigError."""
        from mnist_trainer.store import S3Address

        if self.dataset:
            if self.bucket or self.prefix:
                raise InvalidConfigError("give either --dataset or --bucket and --prefix, not both")
            return S3Address.parse(self.dataset)
        if not self.bucket:
            raise InvalidConfigError("which bucket? Give --bucket NAME [--prefix PATH] or --dataset s3://bucket/path")
        return S3Address.parse(f"s3://{self.bucket}/{(self.prefix or '').strip('/')}")

    def store(self) -> ObjectStore:
        """The store at `endpoint` (or AWS_ENDPOINT_URL), with the credentials of the environment."""
        from mnist_trainer.store import ObjectStore, StoreSettings

        return ObjectStore(StoreSettings.from_env(endpoint=self.endpoint))


@app.command()
def fetch(
    source: Annotated[
        str,
        typer.Option(
            "--source", metavar="mirrors|digits|FOLDER", help="Public MNIST mirrors, offline digits, or a folder."
        ),
    ] = "mirrors",
    folder: Annotated[
        Path | None,
        typer.Option("--file", metavar="FOLDER", help="Where to put the files. Default: data/mnist or data/digits."),
    ] = None,
    endpoint: Endpoint = None,
    bucket: Bucket = None,
    prefix: Prefix = None,
    dataset: Dataset = None,
    make_bucket: MakeBucket = False,
) -> None:
    """Get a dataset into a folder; with --dataset or --bucket, upload it from there."""
    from mnist_cli.transfer import fetch_into, transfers
    from mnist_cli.transfer import upload as upload_files

    place = Place(endpoint, bucket, prefix, dataset)
    address = place.address if place.given else None
    store = place.store() if address else None
    target = folder or Path("data") / (source if source == "digits" else "mnist")
    with transfers("fetched") as shown:
        paths = fetch_into(target, source, shown)
    print(f"{len(paths)} files in {target}")
    if store and address:
        with transfers("uploaded") as shown:
            upload_files(store, target, address, shown, make_bucket)


@app.command()
def upload(
    path: LocalFile,
    endpoint: Endpoint = None,
    bucket: Bucket = None,
    prefix: Prefix = None,
    dataset: Dataset = None,
    make_bucket: MakeBucket = False,
) -> None:
    """Upload a file, or all files of a folder."""
    from mnist_cli.transfer import human_size, transfers
    from mnist_cli.transfer import upload as upload_files

    place = Place(endpoint, bucket, prefix, dataset)
    address, store = place.address, place.store()
    with transfers("uploaded") as shown:
        done = upload_files(store, path, address, shown, make_bucket)
    print(f"{len(done)} file(s), {human_size(sum(info.size for info in done))}, below {address}")


@app.command()
def download(
    path: Annotated[
        Path | None,
        typer.Option("--file", metavar="PATH", help="Fetch the object of this name to this path. Default: everything."),
    ] = None,
    folder: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where everything goes.")] = Path(),
    endpoint: Endpoint = None,
    bucket: Bucket = None,
    prefix: Prefix = None,
    dataset: Dataset = None,
) -> None:
    """Download one file, or everything below the address."""
    from mnist_cli import transfer

    place = Place(endpoint, bucket, prefix, dataset)
    address, store = place.address, place.store()
    with transfer.transfers("downloaded") as shown:
        if path:
            done = transfer.download(store, path, address, shown)
        else:
            done = transfer.download_all(store, folder, address, shown)
    print(f"{len(done)} file(s) from {address}")


@app.command("make-bucket")
def make_bucket(
    address: Annotated[str, typer.Argument(metavar="s3://BUCKET", help="The bucket; one that is there is left alone.")],
    endpoint: Endpoint = None,
    region: Annotated[
        str | None, typer.Option("--region", metavar="NAME", help="Where it is made. Default: $AWS_REGION.")
    ] = None,
) -> None:
    """Make an empty bucket, such as the one that trainings write to."""
    from mnist_trainer.store import ObjectStore, S3Address, StoreSettings

    bucket = S3Address(S3Address.parse(address).bucket)
    store = ObjectStore(StoreSettings.from_env(endpoint=endpoint, region=region))
    made = store.make_bucket(bucket)
    print(f"{bucket} {'made' if made else 'is there already'}")


@app.command("list")
def list_(
    endpoint: Endpoint = None,
    bucket: Bucket = None,
    prefix: Prefix = None,
    dataset: Dataset = None,
    output: Output = "text",
) -> None:
    """List what lies below the address."""
    place = Place(endpoint, bucket, prefix, dataset)
    address = place.address
    found = list(place.store().list(address))
    print_listing(found, address, output)


@app.command()
def verify(
    path: Annotated[Path | None, typer.Option("--file", metavar="FOLDER", help="Check a local folder instead.")] = None,
    endpoint: Endpoint = None,
    bucket: Bucket = None,
    prefix: Prefix = None,
    dataset: Dataset = None,
) -> None:
    """Check a dataset and tell everything that is wrong with it. Exit code 1 if it cannot be used."""
    from mnist_trainer.data import examine, examine_folder

    place = Place(endpoint, bucket, prefix, dataset)
    if path:
        if place.given:
            raise typer.BadParameter("--file checks a folder, the others a bucket: give one of them")
        findings, loaded = examine_folder(path)
    else:
        address = place.address
        findings, loaded = examine(place.store(), address)
    for finding in findings:
        print(f"{finding.severity}: {finding}", file=sys.stderr)
    if loaded is None:
        raise typer.Exit(1)
    side = "x".join(str(size) for size in loaded.train_images.shape[1:])
    print(
        f"ok: {len(loaded.train_images):,} training and {len(loaded.test_images):,} test images of {side}, "
        f"{loaded.classes} classes{_named(loaded.class_names)}, sha256 {loaded.digest}"
    )


def _named(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    return f" ({shown})" if names else ""


@app.command()
def delete(
    path: Annotated[
        str | None, typer.Option("--file", metavar="NAME", help="Delete the one object of this name.")
    ] = None,
    endpoint: Endpoint = None,
    bucket: Bucket = None,
    prefix: Prefix = None,
    dataset: Dataset = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete one file, or everything below the address."""
    place = Place(endpoint, bucket, prefix, dataset)
    address = place.address
    if not path and not address.key:
        raise typer.BadParameter("what to delete? Give --file NAME or --prefix PATH (a whole bucket is never deleted)")
    store = place.store()
    found = [store.stat(address.child(path))] if path else list(store.list(address))
    if not found:
        print(f"nothing lies below {address}")
        return
    confirm(found, yes)
    for info in found:
        store.delete(info.address)
        print(f"deleted {info.address}")


def confirm(found: list[ObjectInfo], yes: bool) -> None:
    """Ask on a terminal; without one refuse unless `yes` was given."""
    if yes:
        return
    shown = str(found[0].address) if len(found) == 1 else f"{len(found)} objects ({found[0].address} ...)"
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"deleting {shown} needs a yes: give --yes")
    typer.confirm(f"Delete {shown}?", abort=True)


def print_listing(found: list[ObjectInfo], address: S3Address, output: str) -> None:
    """Print objects as aligned text or as JSON."""
    from mnist_cli.transfer import human_size, relative

    if output == "json":
        import json

        rows = [
            {
                "address": str(info.address),
                "size": info.size,
                "etag": info.etag,
                "modified": info.modified.isoformat() if info.modified else None,
            }
            for info in found
        ]
        print(json.dumps(rows, indent=2))
        return
    if not found:
        print(f"nothing lies below {address}")
        return
    for info in found:
        modified = f"{info.modified:%Y-%m-%d %H:%M:%S}" if info.modified else "-"
        print(f"{human_size(info.size):>10}  {modified:<19}  {relative(info.address, address)}")
    print(f"{human_size(sum(info.size for info in found)):>10}  {len(found)} object(s) below {address}")
