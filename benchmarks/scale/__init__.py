"""Parts of operator_scale.py: the cluster, the operator's process, KubeRay as a script."""
