"""`mnistctl local run`: a manifest from file to trained model on this machine."""
