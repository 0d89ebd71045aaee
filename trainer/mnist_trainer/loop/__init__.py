"""The training loop. It knows tensors and a collective; it knows nothing of Ray, files, stores or Kubernetes."""
