"""Who asks (authentication), and may they (RBAC)."""
