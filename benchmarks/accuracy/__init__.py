"""Time to accuracy: what `benchmarks/time_to_accuracy.py` is made of."""
