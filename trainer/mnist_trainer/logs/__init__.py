"""Logs that outlive the cluster: files of an attempt, bounded, that go to the training's output while it runs."""
