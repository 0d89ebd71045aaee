"""The control loops a cluster cannot do without: garbage collection, namespaces, accounts, role aggregation, CRDs."""
