"""From a key on a queue to requests: look, decide, act. Level-triggered, one reconcile per training at a time."""
