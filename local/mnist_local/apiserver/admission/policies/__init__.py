"""ValidatingAdmissionPolicies: which writes they are about, what they say, and what comes of it."""
