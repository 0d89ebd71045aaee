"""The object store: addresses, settings from the environment, and a client with bounded retries.

Works with anything that speaks S3: MinIO, AWS, Google Cloud Storage's compatible endpoint, ``rclone serve s3``.
Importing this package is cheap; the network client is imported when an :class:`ObjectStore` is made.
"""

from mnist_trainer.store.address import ObjectInfo, Progress, S3Address
from mnist_trainer.store.objectstore import ObjectStore
from mnist_trainer.store.retry import RetryPolicy
from mnist_trainer.store.settings import StoreSettings

__all__ = ["ObjectInfo", "ObjectStore", "Progress", "RetryPolicy", "S3Address", "StoreSettings"]
