"""What a node's kubelet does for the pods of the local KubeRay, with processes in the place of containers.

Differences that one machine forces: images are ignored (this virtual environment is the image); there is no mount
namespace, so a volume is a folder of the pod, and only environment values that begin with a mount path are rewritten to
it; the network is loopback, with an address of 127.0.0.0/8 per Ray pod; resource limits are told to Ray, not enforced;
security contexts are kept in the pod's spec, not applied.
"""
