"""The verbs over HTTP: each handler turns a `Call` into a response."""
