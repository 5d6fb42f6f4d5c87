#!/bin/sh
# Installs the Pushgateway, for tests/monitoring; without it those tests are skipped.
set -u

if command -v prometheus-pushgateway >/dev/null 2>&1; then
    echo "a Pushgateway is already installed: $(command -v prometheus-pushgateway)"
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "no Pushgateway was installed: that needs root and apt-get. Its tests will be skipped."
    exit 0
fi
# No service is wanted: the tests start one of their own, and stop it.
if apt-get update && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get install -y --no-install-recommends prometheus-pushgateway; then
    echo "a Pushgateway was installed: $(command -v prometheus-pushgateway)"
else
    echo "no Pushgateway was installed: apt-get failed, see above. Its tests will be skipped."
fi
exit 0
