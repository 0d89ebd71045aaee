"""The process: settings, watches, workers, health and metrics."""
