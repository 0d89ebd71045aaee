"""The store's credentials as the user's command finds them: the AWS variables, and a file with a private authority."""

from __future__ import annotations

import ssl
from pathlib import Path

from mnist_trainer.store import StoreSettings


def variables(settings: StoreSettings, folder: Path) -> dict[str, str]:
    """The variables for settings in use; a bundle of authorities is written to `folder` where there is a private one.

    On a cluster of others the environment has none of them: the trainer read them from the training's Secret.
    """
    given = {
        "AWS_ACCESS_KEY_ID": settings.access_key,
        "AWS_SECRET_ACCESS_KEY": settings.secret_key,
        "AWS_SESSION_TOKEN": settings.session_token,
        "AWS_ENDPOINT_URL": settings.endpoint,
        "AWS_REGION": settings.region,
        "AWS_DEFAULT_REGION": settings.region,
    }
    found = {name: value for name, value in given.items() if value}
    if settings.ca_pem:
        bundle = folder / "authorities.pem"
        bundle.write_text(_public_authorities() + settings.ca_pem)
        found |= dict.fromkeys(("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(bundle))
    return found


def _public_authorities() -> str:
    """Those of this machine, for SSL_CERT_FILE takes their place."""
    path = ssl.get_default_verify_paths().cafile
    try:
        return Path(path).read_text() + "\n" if path else ""
    except OSError:
        return ""
