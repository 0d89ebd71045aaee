"""One-machine environment: embedded API server, local KubeRay and object store. For development and tests."""
