"""Training on a Ray cluster: Ray Train starts, watches and replaces the workers; our own loop runs in them.

Only public interfaces of Ray are used. Nothing here imports torch except `worker`, which runs on the workers.
"""
