import pytest

from tam_video.config import RunConfig
from tam_video.errors import ConfigError, UnknownNameError
from tam_video.render.options import RenderOptions


@pytest.mark.parametrize(
    "options",
    [
        {"opacity": -0.1},
        {"opacity": 1.1},
        {"crf": 52},
        {"show_token": 0, "show_word": 0},
        {"layout": "words", "show_word": "red"},
        {"layout": "grid", "show_token": 3},
        {"layout": "slow"},
        {"threshold": 1.0},
        {"threshold": -0.1},
        {"tiles": "slots"},
        {"previews": ("png",)},
        {"stills": ("png", "gif")},
    ],
)
def test_options_that_make_no_sense_are_refused_with_a_hint(options):
    with pytest.raises(ConfigError) as caught:
        RenderOptions(**options)
    assert caught.value.hint


@pytest.mark.parametrize(
    "options", [{"colormap": "turbor"}, {"speed_preset": "veryfst"}, {"layout": "overlays"}]
)
def test_unknown_names_list_the_close_ones(options):
    with pytest.raises(UnknownNameError) as caught:
        RenderOptions(**options)
    assert "did you mean" in caught.value.hint


def test_the_default_options_hold():
    assert RenderOptions().layout == "overlay"


@pytest.mark.parametrize(
    "options",
    [
        {"show_token": 0},
        {"show_word": 0},
        {"show_word": "red", "layout": "side"},
        {"layout": "words"},
        {"layout": "grid"},
        {"threshold": 0.0, "opacity": 1.0},
    ],
)
def test_options_that_make_sense_are_taken_as_they_are(options):
    look = RenderOptions(**options)
    assert {name: getattr(look, name) for name in options} == options


def test_a_clip_has_a_caption_and_is_read_with_pyav_by_default():
    assert RenderOptions().caption is True
    assert RenderOptions().reader == "pyav"


def test_the_options_of_a_run_are_its_settings():
    look = RenderOptions.of_run(RunConfig(opacity=0.25, layout="side", reader="decord"))
    assert (look.opacity, look.layout, look.reader) == (0.25, "side", "decord")
    assert look.caption is True
