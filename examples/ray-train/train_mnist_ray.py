"""MNIST with Ray Train: read from the store, train on all workers, go on after a loss, leave the model in OUTPUT."""

import argparse
import gzip
import os
import tempfile

import numpy as np
import pyarrow.fs
import ray.train
import torch
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer, prepare_data_loader, prepare_model
from torch import nn


def read(folder, name):
    """An IDX file, plain or gzipped, as an array."""
    filesystem, path = pyarrow.fs.FileSystem.from_uri(folder)
    files = {info.base_name: info.path for info in filesystem.get_file_info(pyarrow.fs.FileSelector(path))}
    with filesystem.open_input_stream(files.get(name) or files[name + ".gz"], compression=None) as file:
        data = file.read()
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    sizes = np.frombuffer(data, ">i4", count=data[3], offset=4)
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(sizes).copy())


def train(config):
    images, labels = (
        read(config["dataset"], "train-images-idx3-ubyte"),
        read(config["dataset"], "train-labels-idx1-ubyte"),
    )
    test, truth = read(config["dataset"], "t10k-images-idx3-ubyte"), read(config["dataset"], "t10k-labels-idx1-ubyte")
    dataset = torch.utils.data.TensorDataset(images[:, None].float() / 255, labels.long())
    loader = prepare_data_loader(torch.utils.data.DataLoader(dataset, config["batch_size"], shuffle=True))
    network = nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2), nn.ReLU(), nn.Flatten(),
        nn.LazyLinear(10),
    )  # fmt: skip
    network(torch.zeros(1, 1, *images.shape[1:]))
    start = 1
    if checkpoint := ray.train.get_checkpoint():
        with checkpoint.as_directory() as folder:
            state = torch.load(os.path.join(folder, "state.pt"))
        network.load_state_dict(state["network"])
        start = state["epoch"] + 1
        print(f"going on after epoch {state['epoch']}")
    network = prepare_model(network)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for epoch in range(start, config["epochs"] + 1):
        network.train()
        for batch, target in loader:
            loss = nn.functional.cross_entropy(network(batch), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            right = network.eval()(test[:, None].float() / 255).argmax(1) == truth
        metrics = {"epoch": epoch, "loss": loss.item(), "accuracy": right.float().mean().item()}
        with tempfile.TemporaryDirectory() as folder:
            weights = {name.removeprefix("module."): value for name, value in network.state_dict().items()}
            torch.save({"network": weights, "epoch": epoch}, os.path.join(folder, "state.pt"))
            first = ray.train.get_context().get_world_rank() == 0
            ray.train.report(metrics, checkpoint=Checkpoint.from_directory(folder) if first else None)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=int(os.environ.get("MNIST_WORKERS", "1")))
    args = parser.parse_args()
    result = TorchTrainer(
        train,
        train_loop_config={"epochs": args.epochs, "batch_size": args.batch_size, "dataset": os.environ["DATASET"]},
        scaling_config=ScalingConfig(num_workers=args.workers),
        run_config=RunConfig(
            name="mnist",
            storage_path=os.environ["CHECKPOINTS"],
            failure_config=FailureConfig(max_failures=3),
            checkpoint_config=CheckpointConfig(num_to_keep=1),
        ),
    ).fit()
    with result.checkpoint.as_directory() as folder:
        filesystem, path = pyarrow.fs.FileSystem.from_uri(os.environ["OUTPUT"] + "/model.pt")
        pyarrow.fs.copy_files(os.path.join(folder, "state.pt"), path, destination_filesystem=filesystem)
    print(f"accuracy {result.metrics['accuracy']:.4f}")
