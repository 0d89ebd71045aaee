"""One local pod: a shim process that runs containers as plain processes and leaves none of them behind."""
