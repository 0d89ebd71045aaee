"""One local pod: a supervisor process that runs containers as plain processes and leaves none of them behind."""
