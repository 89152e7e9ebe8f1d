"""nginx before several processes, by the example that shops get (docs/deploy/nginx.conf); for tests and measurements."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from catalog.errors import UserError

EXAMPLE = Path(__file__).parents[1] / "docs" / "deploy" / "nginx.conf"
START_SECONDS = 10.0


@contextmanager
def proxy(port: int, behind: Sequence[int], folder: Path) -> Iterator[str]:
    """The address under which the processes on the ports `behind` are one shop. Raises `UserError` without nginx, or
    without its example, which an installed package does not have."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None or not EXAMPLE.exists():
        raise UserError("this needs nginx (.ci/system-packages installs it) and a checkout with docs/deploy/nginx.conf")
    config = folder / "nginx.conf"
    config.write_text(_with_ports(EXAMPLE.read_text("utf-8"), port, behind, folder), "utf-8")
    process = subprocess.Popen([program, "-c", str(config), "-p", str(folder), "-g", "daemon off;"])
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(process, url)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _with_ports(example: str, port: int, behind: Sequence[int], folder: Path) -> str:
    servers = "\n".join(f"        server 127.0.0.1:{own} max_fails=0;" for own in behind)
    text = re.sub(r"(?:^ +server 127\.0\.0\.1.*\n)+", servers + "\n", example, flags=re.MULTILINE)
    return text.replace("listen 8080;", f"listen {port};").replace("/tmp/daogou-nginx.pid", str(folder / "nginx.pid"))


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(f"{url}/metrics", timeout=1)  # which it answers by itself
            return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise UserError("nginx does not start")
