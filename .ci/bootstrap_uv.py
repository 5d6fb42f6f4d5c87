"""Puts a pinned uv into a folder, with nothing but Python's standard library where pip is missing."""

import hashlib
import html
import io
import platform
import re
import subprocess
import sys
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

VERSION = "0.13.8"
INDEX = "https://pypi.org/simple/uv/"


def main(folder: Path) -> None:
    """Installs uv unless it is there.

    Args:
        folder: Receives `bin/uv`.
    """
    if (folder / "bin" / "uv").exists():
        return
    # pip knows about mirrors and proxies; it comes first.
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-warn-script-location", "--root-user-action=ignore"]
    if subprocess.run([*pip, "--target", folder, f"uv=={VERSION}"], check=False).returncode:
        print("pip could not install uv; fetching its wheel directly.", file=sys.stderr)
        fetch_wheel(folder)


def fetch_wheel(folder: Path) -> None:
    """Downloads the wheel for this machine, checks its hash and takes the program out."""
    name = f"uv-{VERSION}-py3-none-manylinux_2_17_{platform.machine()}.manylinux2014_{platform.machine()}.whl"
    with urllib.request.urlopen(INDEX, timeout=60) as answer:
        page = answer.read().decode()
    # The simple repository API: every file is a link that carries its hash (PEP 503).
    link = re.search(rf'href="([^"#]*/{re.escape(name)})#sha256=([0-9a-f]+)"', page)
    if link is None:
        raise SystemExit(f"{INDEX} has no {name}; install uv {VERSION} by hand and run make UV=uv.")
    with urllib.request.urlopen(urllib.parse.urljoin(INDEX, html.unescape(link[1])), timeout=600) as answer:
        content = answer.read()
    if hashlib.sha256(content).hexdigest() != link[2]:
        raise SystemExit(f"{name} does not have the hash that was published for it; try again.")
    program = folder / "bin" / "uv"
    program.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/scripts/uv"))
        program.write_bytes(archive.read(name))
    program.chmod(0o755)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
