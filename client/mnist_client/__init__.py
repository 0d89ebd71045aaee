"""The Python client: start, follow and fetch trainings from a script or a notebook."""
