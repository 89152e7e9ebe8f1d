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
