"""The pages: each module has the handlers of one, and nothing else but what it draws."""
