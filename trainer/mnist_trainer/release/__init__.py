"""What a finished run leaves behind: model, metrics, report, and a manifest that seals them."""
