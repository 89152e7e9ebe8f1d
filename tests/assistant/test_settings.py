import re
from pathlib import Path

import pytest

from assistant.settings import Settings, SettingsError, load_settings

SETTINGS = (Path(__file__).parent.parent.parent / "docs" / "settings.md").read_text("utf-8")


def test_every_setting_is_documented() -> None:
    rows = dict(re.findall(r"^\| `DAOGOU_([A-Z_]+)` \| (.*?) \|", SETTINGS, flags=re.MULTILINE))
    assert {name.lower(): text for name, text in rows.items()} == {
        name: field.description for name, field in Settings.model_fields.items()
    }


def test_environment_and_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "daogou.toml").write_text('shop_name = "From file"\nport = 1234\n')
    monkeypatch.setenv("DAOGOU_PORT", "4321")
    settings = load_settings()
    assert (settings.shop_name, settings.port) == ("From file", 4321)
    assert load_settings(port=1).port == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("port = 99999", r"setting port \(DAOGOU_PORT\) is 99999"),
        ("colour = 1", "'colour' is not a setting"),
        ("port = ", "daogou.toml"),
    ],
)
def test_a_bad_setting_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "daogou.toml").write_text(content)
    with pytest.raises(SettingsError, match=message):
        load_settings()
