"""The parts of `benchmarks/chaos.py`: what to disturb and when, how, and what must hold meanwhile and afterwards."""
