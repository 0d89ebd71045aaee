"""A whole run: from the configuration to the published release, with everybody told along the way."""
