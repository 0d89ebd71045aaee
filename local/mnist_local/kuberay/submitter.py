"""How a RayJob is submitted: the request of HTTPMode, and the pod template of K8sJobMode's submitter."""

import copy
import json
import shlex

import yaml

from mnist_local.kuberay import constants as k
from mnist_local.kuberay import pods
from mnist_local.kuberay.json_types import Json
from mnist_local.kuberay.objects import origin_labels

_SHELL = ["/bin/bash", "-ce", "--"]
_DEFAULT_RESOURCES = {
    "limits": {"cpu": "1", "memory": "1Gi"},
    "requests": {"cpu": "500m", "memory": "200Mi"},
}
_HEALTH_CHECK = (
    "import urllib.request as u, sys; "
    "sys.exit(b'success' not in u.urlopen('{address}/api/gcs_healthz', timeout=10).read())"
)


def runtime_env(spec: Json) -> Json:
    """The runtime environment as JSON, empty when there is none."""
    value = yaml.safe_load(spec.get("runtimeEnvYAML") or "")
    return value if isinstance(value, dict) else {}


def http_request(job: Json) -> Json:
    """Body of POST /api/jobs/ for HTTPMode."""
    spec = job["spec"]
    request: Json = {"entrypoint": spec.get("entrypoint", ""), "submission_id": job["status"]["jobId"]}
    if environment := runtime_env(spec):
        request["runtime_env"] = environment
    if spec.get("metadata"):
        request["metadata"] = spec["metadata"]
    if spec.get("entrypointNumCpus"):
        request["entrypoint_num_cpus"] = spec["entrypointNumCpus"]
    if spec.get("entrypointNumGpus"):
        request["entrypoint_num_gpus"] = spec["entrypointNumGpus"]
    if spec.get("entrypointResources"):
        request["entrypoint_resources"] = json.loads(spec["entrypointResources"])
    return request


def pod_template(job: Json, cluster: Json) -> Json:
    """Template of the submitter pod: the user's, or a default one, completed as KubeRay does."""
    given = job["spec"].get("submitterPodTemplate")
    template = copy.deepcopy(given) if given else _default_template(cluster)
    container = template["spec"]["containers"][0]
    if not container.get("command"):
        container["command"] = _SHELL
        container["args"] = [shell_script(job)]
    container["env"] = [
        *(container.get("env") or []),
        {"name": "PYTHONUNBUFFERED", "value": "1"},
        {"name": "RAY_DASHBOARD_ADDRESS", "value": job["status"]["dashboardURL"]},
        {"name": "RAY_JOB_SUBMISSION_ID", "value": job["status"]["jobId"]},
    ]
    if (cluster["spec"].get("authOptions") or {}).get("mode") == "token":
        pods.add_token_variables(container, cluster)
    metadata = template.setdefault("metadata", {})
    metadata["labels"] = {**(metadata.get("labels") or {}), **origin_labels(job)}
    return template


def _default_template(cluster: Json) -> Json:
    image = cluster["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0].get("image", "")
    container = {"name": k.SUBMITTER_CONTAINER, "image": image, "resources": copy.deepcopy(_DEFAULT_RESOURCES)}
    return {"spec": {"containers": [container], "restartPolicy": "Never"}}


def shell_script(job: Json) -> str:
    """Wait for the head, submit the job unless the head has it already, and follow its log.

    As in KubeRay the entrypoint stands in it as it is, so the submitter's shell reads it before the head's does.
    """
    address = f"http://{job['status']['dashboardURL']}"
    job_id = job["status"]["jobId"]
    probe = shlex.join(["python", "-c", _HEALTH_CHECK.format(address=address)])
    submit = ["ray", "job", "submit", "--address", address, "--no-wait", *_submit_options(job["spec"])]
    return (
        f"until {probe} >/dev/null 2>&1 ; do echo 'Waiting for the Ray dashboard at {address} ...' ; sleep 2 ; done ; "
        f"if ! ray job status --address {address} {job_id} >/dev/null 2>&1 ; "
        f"then {shlex.join([*submit, '--submission-id', job_id, '--'])} {job['spec'].get('entrypoint', '').strip()} ; "
        f"fi ; ray job logs --address {address} --follow {job_id}"
    )


def _submit_options(spec: Json) -> list[str]:
    options = []
    if environment := runtime_env(spec):
        options += ["--runtime-env-json", json.dumps(environment)]
    if spec.get("metadata"):
        options += ["--metadata-json", json.dumps(spec["metadata"])]
    if spec.get("entrypointNumCpus"):
        options += ["--entrypoint-num-cpus", f"{spec['entrypointNumCpus']:f}"]
    if spec.get("entrypointNumGpus"):
        options += ["--entrypoint-num-gpus", f"{spec['entrypointNumGpus']:f}"]
    if spec.get("entrypointResources"):
        options += ["--entrypoint-resources", spec["entrypointResources"]]
    return options
