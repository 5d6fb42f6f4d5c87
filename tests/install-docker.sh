#!/bin/sh
# Installs the container engine and what makes a base image, for tests/kubeflow/test_containers.py; without them those
# tests are skipped.
set -u

if command -v dockerd >/dev/null 2>&1 && command -v debootstrap >/dev/null 2>&1; then
    echo "a container engine is already installed: $(command -v dockerd)"
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "no container engine was installed: that needs root and apt-get. The container tests will be skipped."
    exit 0
fi
# No service is wanted: the tests start an engine of their own, and stop it.
if apt-get update && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get install -y --no-install-recommends docker.io debootstrap; then
    echo "a container engine was installed: $(command -v dockerd)"
else
    echo "no container engine was installed: apt-get failed, see above. The container tests will be skipped."
fi
exit 0
