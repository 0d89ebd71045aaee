"""A parallel map: the SHA-256 of every object below an address, computed on all nodes of the cluster.

    ray job submit --working-dir examples/workloads -- python parallel_map.py s3://datasets/digits

docs/guides/ray-jobs.md says how your machine reaches the cluster. Prints lines as `sha256sum` does, sorted by address.
"""

import argparse
import hashlib

import ray

from mnist_trainer.store import ObjectStore, S3Address, StoreSettings

IN_FLIGHT = 64  # tasks at a time: their results are small, but a bucket may have millions of objects


@ray.remote(num_cpus=1)
def digest(address: str) -> tuple[str, str, str]:
    """SHA-256 of an object, its address, and the node that read it."""
    # Credentials come from the node's environment; they are no argument, and so in no log.
    data = ObjectStore(StoreSettings.from_env()).get_bytes(S3Address.parse(address))
    return hashlib.sha256(data).hexdigest(), address, ray.get_runtime_context().get_node_id()


def parallel_map(addresses: list[str]) -> list[tuple[str, str, str]]:
    """Digest every address, at most IN_FLIGHT at a time."""
    done: list[tuple[str, str, str]] = []
    pending: list[ray.ObjectRef] = []
    for address in addresses:
        if len(pending) >= IN_FLIGHT:
            ready, pending = ray.wait(pending)
            done += ray.get(ready)
        pending.append(digest.remote(address))
    return done + ray.get(pending)


def main() -> None:
    parser = argparse.ArgumentParser(description="SHA-256 of every object below an address.")
    parser.add_argument("address", type=S3Address.parse, help="such as s3://datasets/digits")
    below = parser.parse_args().address
    ray.init(logging_level="WARNING")
    found = ObjectStore(StoreSettings.from_env()).list(below)
    results = parallel_map([str(info.address) for info in found])
    for checksum, address, _ in sorted(results, key=lambda result: result[1]):
        print(f"{checksum}  {address}")
    print(f"{len(results)} objects, by {len({node for _, _, node in results})} node(s)")


if __name__ == "__main__":
    main()
