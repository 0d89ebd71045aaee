"""Batch inference: Ray Data over a bucket of pictures, with a model that a training has published.

    ray job submit --working-dir examples/workloads -- python batch_inference.py \
        --model s3://models/.../model.safetensors --images s3://inbox/scans --output s3://models/predictions.csv

docs/guides/ray-jobs.md says how your machine reaches the cluster. Pictures are PNG or JPEG of any size, ink on paper or
the reverse. OUTPUT gets a line for each: address, class, and how sure the model is.
"""

import argparse
import csv
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import ray

from mnist_trainer.store import ObjectStore, S3Address, StoreSettings

PICTURES = (".png", ".jpg", ".jpeg")


class Classifier:
    """An actor with the model in memory; Ray Data sends it batch after batch."""

    def __init__(self, model: str) -> None:
        from mnist_trainer.inference.model_file import load_model

        self.store = ObjectStore(StoreSettings.from_env())
        self.model = load_model(self.store.get_bytes(S3Address.parse(model)), model)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Add `class` and `confidence` to a batch of `image` addresses."""
        from mnist_trainer.inference.answers import probabilities

        shares = probabilities(self.model, np.stack([self.picture(str(address)) for address in batch["image"]]))
        return {**batch, "class": shares.argmax(1), "confidence": shares.max(1)}

    def picture(self, address: str) -> Any:
        """Fetch a picture, prepared as MNIST's own were: uint8 [height, width]."""
        from mnist_trainer.inference.pictures import read_drawing

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / S3Address.parse(address).name
            self.store.get_file(S3Address.parse(address), path)
            return read_drawing(path, self.model.spec).image


def main() -> None:
    parser = argparse.ArgumentParser(description="Classify every picture below an address.")
    parser.add_argument("--model", required=True)
    parser.add_argument("--images", required=True, type=S3Address.parse)
    parser.add_argument("--output", required=True, type=S3Address.parse)
    parser.add_argument("--actors", type=int, default=2, help="copies of the model; each takes a CPU")
    arguments = parser.parse_args()

    ray.init(logging_level="WARNING")
    ray.data.DataContext.get_current().enable_progress_bars = False
    store = ObjectStore(StoreSettings.from_env())
    found = [str(info.address) for info in store.list(arguments.images)]
    pictures = [{"image": address} for address in found if address.lower().endswith(PICTURES)]
    if not pictures:
        raise SystemExit(f"no pictures below {arguments.images}")
    predictions = (
        # A few blocks for each actor. (`repartition` would do it with tasks, which need CPUs that the actors hold.)
        ray.data.from_items(pictures, override_num_blocks=min(len(pictures), 4 * arguments.actors))
        .map_batches(
            Classifier,
            fn_constructor_args=(arguments.model,),
            batch_size=64,
            compute=ray.data.ActorPoolStrategy(size=arguments.actors),
        )
        .take_all()
    )
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["image", "class", "confidence"])
    for row in sorted(predictions, key=lambda row: row["image"]):
        writer.writerow([row["image"], int(row["class"]), f"{row['confidence']:.4f}"])
    store.put_bytes(arguments.output, table.getvalue().encode(), "text/csv")
    print(f"{len(predictions)} pictures classified: {arguments.output}")


if __name__ == "__main__":
    main()
