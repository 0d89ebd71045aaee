"""The whole path on one machine: API server, object store, KubeRay and operator, under one supervising process."""
