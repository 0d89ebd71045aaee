"""What the client's models do not tell of the API's types. Source: the OpenAPI v3 documents of Kubernetes 1.36.

Names are the client's models and JSON field names.
"""

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


KINDS: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    group_version: tuple(kinds.split())
    for group_version, kinds in {
        (
            "",
            "v1",
        ): "Binding ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume PersistentVolumeClaim "
        "Pod PodTemplate ReplicationController ResourceQuota Secret Service ServiceAccount",
        ("admissionregistration.k8s.io", "v1"): "MutatingWebhookConfiguration ValidatingAdmissionPolicy "
        "ValidatingAdmissionPolicyBinding ValidatingWebhookConfiguration",
        ("apiextensions.k8s.io", "v1"): "CustomResourceDefinition",
        ("apiregistration.k8s.io", "v1"): "APIService",
        ("apps", "v1"): "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet",
        ("authentication.k8s.io", "v1"): "SelfSubjectReview TokenRequest TokenReview",
        ("authorization.k8s.io", "v1"): "LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview "
        "SubjectAccessReview",
        ("autoscaling", "v1"): "HorizontalPodAutoscaler Scale",
        ("autoscaling", "v2"): "HorizontalPodAutoscaler",
        ("batch", "v1"): "CronJob Job",
        ("coordination.k8s.io", "v1"): "Lease",
        ("discovery.k8s.io", "v1"): "EndpointSlice",
        ("events.k8s.io", "v1"): "Event",
        ("flowcontrol.apiserver.k8s.io", "v1"): "FlowSchema PriorityLevelConfiguration",
        ("networking.k8s.io", "v1"): "Ingress IngressClass NetworkPolicy",
        ("node.k8s.io", "v1"): "RuntimeClass",
        ("policy", "v1"): "Eviction PodDisruptionBudget",
        ("rbac.authorization.k8s.io", "v1"): "ClusterRole ClusterRoleBinding Role RoleBinding",
        ("scheduling.k8s.io", "v1"): "PriorityClass",
        ("storage.k8s.io", "v1"): "CSIDriver CSINode CSIStorageCapacity StorageClass VolumeAttachment",
    }.items()
}

_CONDITIONS: Final = (
    "APIServiceStatus DaemonSetStatus DeploymentStatus FlowSchemaStatus NamespaceStatus NodeStatus "
    "PersistentVolumeClaimStatus PodDisruptionBudgetStatus PodStatus PriorityLevelConfigurationStatus ReplicaSetStatus "
    "ReplicationControllerStatus ServiceStatus StatefulSetStatus"
)
_CONTAINERS: Final = ("V1Container", "V1EphemeralContainer")

MERGED_LISTS: Final[dict[str, tuple[str, ...]]] = {
    **{f"V1{model}.conditions": ("type",) for model in _CONDITIONS.split()},
    **{f"{model}.env": ("name",) for model in _CONTAINERS},
    **{f"{model}.ports": ("containerPort", "protocol") for model in _CONTAINERS},
    **{f"{model}.volumeDevices": ("devicePath",) for model in _CONTAINERS},
    **{f"{model}.volumeMounts": ("mountPath",) for model in (*_CONTAINERS, "V1ContainerStatus")},
    "V1CSINodeSpec.drivers": ("name",),
    "V1ContainerStatus.allocatedResourcesStatus": ("name",),
    "V1JSONSchemaProps.x-kubernetes-validations": ("rule",),
    "V1MutatingWebhook.matchConditions": ("name",),
    "V1MutatingWebhookConfiguration.webhooks": ("name",),
    "V1NodeStatus.addresses": ("type",),
    "V1ObjectMeta.ownerReferences": ("uid",),
    "V1PodSpec.containers": ("name",),
    "V1PodSpec.ephemeralContainers": ("name",),
    "V1PodSpec.hostAliases": ("ip",),
    "V1PodSpec.imagePullSecrets": ("name",),
    "V1PodSpec.initContainers": ("name",),
    "V1PodSpec.resourceClaims": ("name",),
    "V1PodSpec.schedulingGates": ("name",),
    "V1PodSpec.topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "V1PodSpec.volumes": ("name",),
    "V1PodStatus.podIPs": ("ip",),
    "V1PodStatus.resourceClaimStatuses": ("name",),
    "V1ServiceAccount.secrets": ("name",),
    "V1ServiceSpec.ports": ("port", "protocol"),
    "V1ValidatingAdmissionPolicySpec.matchConditions": ("name",),
    "V1ValidatingAdmissionPolicySpec.variables": ("name",),
    "V1ValidatingWebhook.matchConditions": ("name",),
    "V1ValidatingWebhookConfiguration.webhooks": ("name",),
    "V2HorizontalPodAutoscalerStatus.conditions": ("type",),
}
"""Lists of type `map` that a strategic merge patch merges by the first of these keys."""

KEYED_LISTS: Final[dict[str, tuple[str, ...]]] = {
    "V1CustomResourceDefinitionStatus.conditions": ("type",),
    "V1ResourceRequirements.claims": ("name",),
    "V1ResourceStatus.resources": ("resourceID",),
    "V1ValidatingAdmissionPolicyStatus.conditions": ("type",),
}
"""Lists of type `map` that a strategic merge patch replaces."""

ATOMIC_MERGED_LISTS: Final = {"V1JobStatus.conditions": "type", "V1PodStatus.hostIPs": "ip"}
"""Atomic lists that a strategic merge patch merges by a key."""

SETS: Final = _words(
    "V1CSIDriverSpec.volumeLifecycleModes V1ContainerRestartRuleOnExitCodes.values V1Endpoint.addresses "
    "V1NodeSpec.podCIDRs V1NonResourcePolicyRule.nonResourceURLs V1NonResourcePolicyRule.verbs "
    "V1ObjectMeta.finalizers V1PodFailurePolicyOnExitCodesRequirement.values V1ResourcePolicyRule.apiGroups "
    "V1ResourcePolicyRule.namespaces V1ResourcePolicyRule.resources V1ResourcePolicyRule.verbs "
    "V1UncountedTerminatedPods.failed V1UncountedTerminatedPods.succeeded "
    "V1ValidatingAdmissionPolicyBindingSpec.validationActions"
)
MERGED_SETS: Final = frozenset(("V1NodeSpec.podCIDRs", "V1ObjectMeta.finalizers"))
"""Sets to which a strategic merge patch adds."""

PATCH_STRATEGIES: Final = {
    "V1DeploymentSpec.strategy": ("retainKeys",),
    "V1PodDisruptionBudgetSpec.selector": ("replace",),
    "V1PodSpec.resourceClaims": ("merge", "retainKeys"),
    "V1PodSpec.volumes": ("merge", "retainKeys"),
    "V1PodStatus.resourceClaimStatuses": ("merge", "retainKeys"),
}

ATOMIC: Final = _words(
    "CoreV1EndpointPort DiscoveryV1EndpointPort RbacV1Subject V1ConfigMapKeySelector "
    "V1CrossVersionObjectReference V1EndpointAddress V1FileKeySelector V1LabelSelector V1LocalObjectReference "
    "V1MatchResources V1NamedRuleWithOperations V1NodeSelector V1NodeSelectorTerm V1ObjectFieldSelector "
    "V1ObjectReference V1OwnerReference V1ParamKind V1ParamRef V1PodSpec.nodeSelector "
    "V1ReplicationControllerSpec.selector V1ResourceFieldSelector V1RoleRef V1Scheduling.nodeSelector "
    "V1ScopeSelector V1SecretKeySelector V1SecretReference V1ServiceBackendPort V1ServiceSpec.selector "
    "V1TopologySelectorTerm V1TypedLocalObjectReference V1Variable"
)
"""Objects that are owned as a whole: every value of a model, or one field."""

GRANULAR: Final = frozenset(("V1PersistentVolumeSpec.claimRef",))
"""Fields of an atomic model that are owned field by field nevertheless."""

QUANTITIES: Final = _words(
    "V1CSIStorageCapacity.capacity V1CSIStorageCapacity.maximumVolumeSize V1ContainerStatus.allocatedResources "
    "V1EmptyDirVolumeSource.sizeLimit V1LimitRangeItem.default V1LimitRangeItem.defaultRequest V1LimitRangeItem.max "
    "V1LimitRangeItem.maxLimitRequestRatio V1LimitRangeItem.min V1NodeStatus.allocatable V1NodeStatus.capacity "
    "V1Overhead.podFixed V1PersistentVolumeClaimStatus.allocatedResources V1PersistentVolumeClaimStatus.capacity "
    "V1PersistentVolumeSpec.capacity V1PodSpec.overhead V1PodStatus.allocatedResources "
    "V1ResourceFieldSelector.divisor V1ResourceQuotaSpec.hard V1ResourceQuotaStatus.hard V1ResourceQuotaStatus.used "
    "V1ResourceRequirements.limits V1ResourceRequirements.requests V1VolumeResourceRequirements.limits "
    "V1VolumeResourceRequirements.requests V2HPAScalingRules.tolerance V2MetricTarget.averageValue "
    "V2MetricTarget.value V2MetricValueStatus.averageValue V2MetricValueStatus.value"
)

INT64_FIELDS: Final = _words(
    "activeDeadlineSeconds deletionGracePeriodSeconds expirationSeconds fsGroup generation gid gracePeriodSeconds "
    "maxItems maxLength maxProperties minItems minLength minProperties nodeAllocatableUpdatePeriodSeconds "
    "observedGeneration remainingItemCount revision runAsGroup runAsUser sizeBytes startingDeadlineSeconds "
    "supplementalGroups terminationGracePeriodSeconds tolerationSeconds uid"
)
INT64: Final = frozenset(("V1NodeSwapStatus.capacity", "V1SleepAction.seconds"))

DEFAULTED_KEYS: Final = {"V1ContainerPort.protocol": "TCP", "V1ServicePort.protocol": "TCP"}
"""Defaults of fields that are keys of lists."""

MICRO_TIMES: Final = _words(
    "CoreV1Event.eventTime CoreV1EventSeries.lastObservedTime EventsV1Event.eventTime "
    "EventsV1EventSeries.lastObservedTime V1LeaseSpec.acquireTime V1LeaseSpec.renewTime"
)

STRUCT_FIELDS: Final = _words(
    "metadata spec status template strategy updateStrategy jobTemplate roleRef scaleTargetRef names acceptedNames "
    "loadBalancer podSelector involvedObject regarding source deprecatedSource"
)
"""Fields that an empty object of the API server's own types has too (Go structs), so that nobody adds them."""
