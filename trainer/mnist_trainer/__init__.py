"""The MnistTraining trainer: distributed PyTorch on Ray Train, from a bucket to a bucket."""
