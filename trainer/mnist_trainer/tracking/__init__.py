"""Other people's tools that follow a run. They never hold a training up, and never fail it."""
