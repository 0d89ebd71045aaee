"""The commands for trainings in any cluster: submit, logs, watch, suspend, resume, report, status."""
