"""Training on a Ray cluster: our own loop in actors, supervised by the driver.

    driver (a thread of the run's process) ── supervisor ── pool ── actors, one per worker ── the loop (`train`)

The driver connects to Ray, shares the dataset and starts the supervisor. The supervisor makes a group of the pool's
workers that are ready, follows it, and makes another after a loss. What worker 0's loop says comes back as events (see
`events`). Only public interfaces of Ray's core are used. Nothing here imports torch but `worker`, in the actors.
"""
