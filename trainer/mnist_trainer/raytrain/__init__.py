"""Training on a Ray cluster: our own loop in actors, supervised by the driver.

Only public interfaces of Ray's core are used. Nothing here imports torch but `worker` and `job`, on the workers.
"""
