"""Embedded Kubernetes API server: an in-memory development and test tool, not a production control plane."""
