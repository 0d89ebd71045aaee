"""Prometheus metrics: of the operator's process, of all trainings, and of single ones up to a bound."""
