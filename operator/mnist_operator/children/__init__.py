"""What is made for a training, and what is read of it. Pure: no I/O, no clock, no kopf."""
