#!/bin/sh
# Installs the browser that opens the run's card in tests/card; without one those tests are skipped.
set -u

if command -v chromium >/dev/null 2>&1; then
    echo "chromium is already installed: $(command -v chromium)"
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "chromium was not installed: installing packages needs root. The card's browser tests will be skipped."
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "chromium was not installed: there is no apt-get here. The card's browser tests will be skipped."
    exit 0
fi
if apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium; then
    echo "chromium was installed: $(command -v chromium)"
else
    echo "chromium was not installed: apt-get failed, see above. The card's browser tests will be skipped."
fi
exit 0
