"""The types of the API server's own kinds, read from the `kubernetes` client."""
