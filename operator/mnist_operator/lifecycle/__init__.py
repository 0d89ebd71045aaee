"""The life of a training, without I/O: what is observed goes in, the next status and what to do come out."""
