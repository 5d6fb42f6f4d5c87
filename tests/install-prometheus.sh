#!/bin/sh
# Installs Prometheus with promtool, and the Pushgateway, for tests/monitoring; without them those tests are skipped.
set -u

missing=
for package in prometheus prometheus-pushgateway; do
    if command -v "$package" >/dev/null 2>&1; then
        echo "$package is already installed: $(command -v "$package")"
    else
        missing="$missing $package"
    fi
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "not installed:$missing; that needs root and apt-get. Their tests will be skipped."
    exit 0
fi
# No service is wanted: the tests start servers of their own, and stop them.
if apt-get update && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get install -y --no-install-recommends $missing; then
    # A booted systemd starts them all the same.
    [ ! -d /run/systemd/system ] || systemctl disable --now $missing
    echo "installed:$missing"
else
    echo "not installed:$missing; apt-get failed, see above. Their tests will be skipped."
fi
exit 0
