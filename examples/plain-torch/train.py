"""MNIST with PyTorch alone, on the Ray head: one function tells how it is doing, and files in OUTPUT_DIR are kept."""

import argparse
import gzip
import os
from urllib.parse import urlsplit

import numpy as np
import torch
from minio import Minio
from torch import nn

import mnist_report


def read(client, folder, name):
    """An IDX file, plain or gzipped, as a tensor."""
    place = urlsplit(folder)
    prefix = place.path.strip("/")
    keys = {item.object_name for item in client.list_objects(place.netloc, prefix=prefix + "/")}
    key = next(key for key in (f"{prefix}/{name}", f"{prefix}/{name}.gz") if key in keys)
    data = client.get_object(place.netloc, key).read()
    data = gzip.decompress(data) if key.endswith(".gz") else data
    sizes = np.frombuffer(data, ">i4", count=data[3], offset=4)
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(sizes).copy())


def store():
    endpoint = urlsplit(os.environ.get("AWS_ENDPOINT_URL", "https://s3.amazonaws.com"))
    keys = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    return Minio(endpoint.netloc, *keys, secure=endpoint.scheme == "https", region=os.environ.get("AWS_REGION"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=5)
    args = parser.parse_args()
    client, dataset = store(), os.environ["DATASET"]
    names = "train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"
    images, labels, test, truth = (read(client, dataset, f"{name}-ubyte") for name in names)
    network = nn.Sequential(nn.Flatten(), nn.Linear(images[0].numel(), 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for epoch in range(1, args.epochs + 1):
        for chosen in torch.randperm(len(images)).split(64):
            loss = nn.functional.cross_entropy(network(images[chosen].float() / 255), labels[chosen].long())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            right = network(test.float() / 255).argmax(1) == truth
        accuracy, ones = right.float().mean(), right[truth == 1].float().mean()
        mnist_report.report(epoch=epoch, epochs=args.epochs, accuracy=accuracy, loss=loss, accuracy_of_ones=ones)
        print(f"epoch {epoch}: accuracy {accuracy:.4f}")
    torch.save(network.state_dict(), os.path.join(os.environ["OUTPUT_DIR"], "model.pt"))
