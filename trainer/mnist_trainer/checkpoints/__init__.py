"""Checkpoints: the state after an epoch as one object, and a manifest, written after it, that makes it valid."""
