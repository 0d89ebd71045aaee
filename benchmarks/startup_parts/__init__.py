"""What `benchmarks/startup.py` measures with."""
