"""The Kubernetes API as the operator uses it: a thin asynchronous client over plain objects."""
