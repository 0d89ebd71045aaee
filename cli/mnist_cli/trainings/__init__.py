"""What every command shares that has to do with MnistTrainings in a cluster."""
