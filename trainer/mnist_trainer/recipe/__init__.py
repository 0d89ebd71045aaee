"""How a network is trained: augmentation, schedule, optimizer settings. Knows nothing of processes or files."""
