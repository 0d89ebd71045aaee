"""mnistctl: the command line of MnistTraining."""
