#!/bin/sh
# Prints the first Python 3.11 in the path that was built with optimisations by profile, as distributions build theirs, and
# has headers, for pyfarmhash has no wheel; nothing if there is none. In a Python compiled without them, as pyenv does unless
# it is told otherwise, a loop takes a third longer and a small run a tenth.
IFS=:
for folder in $PATH; do
    if "$folder/python3.11" -c '
import os, sys, sysconfig
headers = os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))
optimised = sys.prefix == "/usr" or "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
sys.exit(not (headers and optimised and sys.prefix == sys.base_prefix))
' 2>/dev/null; then
        echo "$folder/python3.11"
        exit
    fi
done
