"""Pure builders: from a training to the manifests of its children. No I/O, no clock, no kopf."""
