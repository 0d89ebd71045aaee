"""A run of the user's own command: started, watched, and its output sealed, with status and logs like any other run."""
