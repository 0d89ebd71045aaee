"""The two things the trainer does at the Kubernetes API: report on its training, and read its storage Secret."""
