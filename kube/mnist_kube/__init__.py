"""The project's one Kubernetes client: operator, command line, local KubeRay, tests and benchmarks talk through it.

From the bottom up: `connection` and `kubeconfig` say where the API server is and who we are there, `transport` sends
bytes over one pool of connections, `client` has the verbs with typed errors, and on it stand `informer` (list and
watch), `lease` (one active process) and `events`. `resources` is the one table of kinds; `queue`, `pacing`, `objects`,
`quantity` and `times` need no connection at all. Objects are plain dictionaries, as the API has them.
"""
