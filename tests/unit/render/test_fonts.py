from pathlib import Path

import pytest

import tam_video.render.fonts
from tam_video.errors import ConfigError
from tam_video.render.fonts import FontStack

SHIPPED = Path(tam_video.render.fonts.__file__).parent / "fonts"


def test_each_character_gets_a_font_that_has_it():
    names = [font.getname()[0] for _, font in FontStack(20).runs("abc 红色 дом")]
    assert names[0] == names[2] == "DejaVu Sans"
    assert names[1].startswith("Noto Sans SC")


def test_a_space_stays_with_the_text_before_it():
    assert [run for run, _ in FontStack(20).runs("abc 红色 дом")] == ["abc ", "红色 ", "дом"]


def test_hangul_and_emoji_have_a_shipped_font():
    names = [font.getname()[0] for _, font in FontStack(20).runs("한국어👩\u200d🚀")]
    assert names[0].startswith("Noto Sans KR")
    assert names[1:] == ["Noto Emoji"]


def test_marks_and_joiners_stay_with_their_letter():
    assert [run for run, _ in FontStack(20).runs("é\u0301\u200d红\ufe0f")] == [
        "é\u0301\u200d",
        "红\ufe0f",
    ]


def test_a_character_no_font_has_is_still_measured():
    assert FontStack(20).length("\U0003ffff") > 0


def test_a_chosen_font_comes_first():
    chosen = str(SHIPPED / "NotoSansSC-Regular.woff2")
    names = {font.getname()[0] for _, font in FontStack(20, chosen).runs("abc")}
    assert names != {"DejaVu Sans"}


def test_a_missing_chosen_font_is_a_config_error():
    with pytest.raises(ConfigError):
        _ = FontStack(20, "/no/such.ttf").base


def test_every_shipped_font_comes_with_its_licence():
    fonts = {path.name.split("-")[0].split(".")[0] for path in SHIPPED.glob("*.[tw]*f*")}
    licences = {path.stem.removeprefix("LICENSE-") for path in SHIPPED.glob("LICENSE-*.txt")}
    assert {name.removesuffix("Sans") for name in fonts} == {
        name.removesuffix("Sans") for name in licences
    }
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 3_000_000
