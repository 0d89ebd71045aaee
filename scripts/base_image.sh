#!/usr/bin/env bash
# Make a base image for both Dockerfiles from Debian's own packages, where no image registry can be reached.
#   scripts/base_image.sh [TAG]      then: make test-images BASE_IMAGE=TAG
# Needs root, debootstrap and docker (or podman, by ENGINE=podman). Takes a minute or two; does nothing when TAG is there already.
set -euo pipefail
TAG=${1:-mnist-training/base:bookworm}
ENGINE=${ENGINE:-docker}
PACKAGES=python3,python3-venv,python3-pip,ca-certificates,wget
if "$ENGINE" image inspect "$TAG" > /dev/null 2>&1; then
  echo "$TAG is there"
  exit 0
fi
[ "$(id -u)" = 0 ] || { echo "base_image.sh: debootstrap needs root; give BASE_IMAGE another image with Python 3.11 and pip" >&2; exit 1; }
command -v debootstrap > /dev/null || { echo "base_image.sh: install Debian's package debootstrap" >&2; exit 1; }
ROOT=$(mktemp -d)
trap 'rm -rf "$ROOT"' EXIT
chmod 755 "$ROOT"
debootstrap --variant=minbase --include="$PACKAGES" bookworm "$ROOT" > "$ROOT.log" 2>&1 || { tail -5 "$ROOT.log" >&2; exit 1; }
rm -f "$ROOT.log"
# A network with a certificate authority of its own: what this machine trusts, the image trusts.
if compgen -G "/usr/local/share/ca-certificates/*.crt" > /dev/null; then
  cp /usr/local/share/ca-certificates/*.crt "$ROOT/usr/local/share/ca-certificates/"
  chroot "$ROOT" update-ca-certificates > /dev/null 2>&1
fi
rm -rf "$ROOT"/var/cache/apt/archives/*.deb "$ROOT"/var/lib/apt/lists/*
tar -C "$ROOT" -c . | "$ENGINE" import - "$TAG" > /dev/null
echo "$TAG"
