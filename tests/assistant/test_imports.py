import subprocess
import sys

import pytest

from assistant.imports import hidden


def test_what_is_hidden_is_not_found_and_comes_back() -> None:
    assert "wave" not in sys.modules
    with hidden("wave", "json"):
        import json  # loaded before: it stays

        with pytest.raises(ImportError):
            import wave
    import wave

    assert json.loads("1") == 1
    assert wave.open


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
