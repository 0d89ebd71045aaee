"""Using a released model: load it, prepare pictures for it, evaluate it."""
