"""The MnistTraining trainer: distributed PyTorch on Ray, from a bucket to a bucket."""
