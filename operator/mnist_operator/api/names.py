"""Names that the API server, users and other programs know this API by."""

GROUP = "mnist.training"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "MnistTraining"
PLURAL = "mnisttrainings"
SINGULAR = "mnisttraining"
SHORT_NAMES = ("mt",)
CATEGORIES = ("ray",)

# KubeRay allows 47 characters for a RayJob; an attempt's suffix ("-1234") needs five of them.
MAX_NAME_LENGTH = 42
DNS_1035_LABEL = "[a-z]([-a-z0-9]*[a-z0-9])?"
