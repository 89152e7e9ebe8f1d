import platform
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from assistant.process import hidden


def test_what_is_hidden_is_not_found_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "daogou_rarely.py").write_text("here = True")
    monkeypatch.syspath_prepend(tmp_path)
    with hidden("daogou_rarely", "json"):
        import json  # loaded before: it stays

        with pytest.raises(ImportError):
            import_module("daogou_rarely")
    assert import_module("daogou_rarely").here
    assert json.loads("1") == 1


@pytest.mark.parametrize(
    ("work", "spared"),
    [
        ("from assistant.masking import mask; assert mask('13812345678') == '[PHONE]'", ("torch", "transformers")),
        (
            "from assistant.llm.adapters import shipped_adapters;"
            "from assistant.ranking.blend import Blend;"
            "Blend.load(shipped_adapters() / 'sample-shop-ranker' / 'blend.txt')",
            ("sklearn", "torch"),
        ),
    ],
)
def test_what_serves_does_without_heavy_libraries(work: str, spared: tuple[str, ...]) -> None:
    code = f"{work}; import sys; assert not set({spared!r}) & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


_THREADS_ALLOCATE = """
import ctypes, threading
from assistant import process
{first}
c = ctypes.CDLL(None)
c.malloc.restype = c.fopen.restype = ctypes.c_void_p
together = threading.Barrier(8)
def allocate():
    together.wait()
    c.malloc(1000)
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
file = ctypes.c_void_p(c.fopen({path!r}.encode(), b"w"))
c.malloc_info(0, file)
c.fclose(file)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have other ways")
def test_all_threads_allocate_in_one_arena(tmp_path: Path) -> None:
    def arenas(first: str) -> int:
        path = str(tmp_path / "heaps.xml")
        subprocess.run([sys.executable, "-c", _THREADS_ALLOCATE.format(first=first, path=path)], check=True)
        return Path(path).read_text().count("<heap nr=")

    assert arenas("") > 1
    assert arenas("process.share_one_arena()") == 1
