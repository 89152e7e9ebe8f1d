"""nginx before several processes, by the example that shops get (docs/deploy/nginx.conf); for tests and measurements."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from catalog.errors import UserError
from web.paced import wait_until_up

EXAMPLE = Path(__file__).parents[1] / "docs" / "deploy" / "nginx.conf"


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
        wait_until_up(process, f"{url}/metrics")  # which it answers by itself
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _with_ports(example: str, port: int, behind: Sequence[int], folder: Path) -> str:
    servers = "\n".join(f"        server 127.0.0.1:{own} max_fails=0;" for own in behind)
    text = re.sub(r"(?:^ +server 127\.0\.0\.1.*\n)+", servers + "\n", example, flags=re.MULTILINE)
    return text.replace("listen 8080;", f"listen {port};").replace("/tmp/daogou-nginx.pid", str(folder / "nginx.pid"))
