"""The verbs on stored objects, apart from HTTP: controllers use them as requests do."""
