"""Kubernetes' protobuf bodies, read only: `kubectl create` and Go clients send built-in kinds in that form."""

from mnist_local.apiserver.protobuf.decoder import CONTENT_TYPE, decode

__all__ = ["CONTENT_TYPE", "decode"]
