"""Code of the user's own: its files, its network, and what is said of its errors."""
