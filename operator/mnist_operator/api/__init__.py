"""The API `mnist.training/v1alpha1 MnistTraining`: pydantic models, and the CRD generated from them."""
