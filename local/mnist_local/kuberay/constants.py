"""Names that KubeRay and its users share: labels, annotations, ports, environment variables."""

CLUSTER_LABEL = "ray.io/cluster"
NODE_TYPE_LABEL = "ray.io/node-type"
GROUP_LABEL = "ray.io/group"
IS_RAY_NODE_LABEL = "ray.io/is-ray-node"
IDENTIFIER_LABEL = "ray.io/identifier"
REPLICA_INDEX_LABEL = "ray.io/worker-group-replica-index"
ORIGIN_NAME_LABEL = "ray.io/originated-from-cr-name"
ORIGIN_KIND_LABEL = "ray.io/originated-from-crd"
APPLICATION_NAME_LABEL = "app.kubernetes.io/name"
CREATED_BY_LABEL = "app.kubernetes.io/created-by"
APPLICATION_NAME = "kuberay"
COMPONENT_NAME = "kuberay-operator"
FT_ENABLED_ANNOTATION = "ray.io/ft-enabled"
KUBERAY_VERSION_ANNOTATION = "ray.io/kuberay-version"
KUBERAY_VERSION = "v1.7.0"
OVERWRITE_COMMAND_ANNOTATION = "ray.io/overwrite-container-cmd"
RAYJOB_FINALIZER = "ray.io/rayjob-finalizer"
KUBERAY_MANAGER = "ray.io/kuberay-operator"

HEAD = "head"
WORKER = "worker"
HEAD_GROUP = "headgroup"
WAIT_FOR_GCS = "wait-gcs-ready"
SUBMITTER_CONTAINER = "ray-job-submitter"
SHARED_MEMORY_VOLUME = "shared-mem"

AUTH_TOKEN_KEY = "auth_token"  # noqa: S105 - the name of a key in a Secret
START_COMMAND_VARIABLE = "KUBERAY_GEN_RAY_START_CMD"

CLUSTER_DOMAIN = "cluster.local"
PORTS = {"client": 10001, "dashboard": 8265, "gcs-server": 6379, "metrics": 8080, "serve": 8000}
DASHBOARD_AGENT_PORT = 52365

MAX_RAYCLUSTER_NAME = 53
MAX_RAYJOB_NAME = 47
