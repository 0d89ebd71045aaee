"""The local KubeRay: a controller over the Kubernetes API that runs Ray pods as processes of this machine.

It serves development and tests. Where a real KubeRay 1.7, kubelet, scheduler and Job controller would write to the
API, this writes the same; `docs` of this package's modules say where a single machine forces a difference.
"""
