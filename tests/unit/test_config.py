import pytest

from tam_video.config import RunConfig, make_config
from tam_video.errors import ConfigError


@pytest.mark.parametrize(
    ("values", "sampler"),
    [
        ({}, "native"),
        ({"num_frames": 8}, "uniform"),
        ({"fps": 2.0}, "fps"),
        ({"timestamps": (1.0,)}, "timestamps"),
        ({"sampler": "all"}, "all"),
    ],
)
def test_the_sampler_is_resolved_by_the_other_options(values, sampler):
    assert make_config(values).resolved_sampler() == sampler


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_frames": 0}, "num_frames"),
        ({"layer": 1.5}, "fraction of the depth"),
        ({"layer": -0.5}, "fraction of the depth"),
        ({"layer": "last"}, "layer"),
        ({"logits": "tail"}, "logits"),
        ({"opacity": 1.5}, "opacity"),
        ({"dtype": "int8"}, "dtype"),
        ({"colour": "red"}, "colour"),
        ({"fps": float("inf")}, "finite"),
        ({"start_seconds": 3.0, "end_seconds": 2.0}, "end time must be after"),
        ({"show_token": 1, "show_word": "a"}, "can't be combined"),
        ({"fps": 2.0, "timestamps": (1.0,)}, "can't be combined"),
        ({"fps": 2.0, "num_frames": 8}, "num_frames and fps can't be combined"),
        ({"method": "logit", "profile": "reference"}, "'profile' needs the method tam"),
    ],
)
def test_invalid_settings_are_refused_with_their_name(values, message):
    with pytest.raises(ConfigError, match=message) as caught:
        make_config(values)
    assert caught.value.exit_code == 2


def test_settings_survive_json():
    for layer in (-1, 20, 0.75):
        config = RunConfig(num_frames=8, show_word="falls", timestamps=(), layer=layer)
        again = RunConfig.model_validate_json(config.model_dump_json())
        assert again == config
        assert type(again.layer) is type(layer)


def test_recorded_settings_with_the_former_name_of_the_speed_preset_are_read():
    config = make_config({"preset": "fast"})
    assert config.speed_preset == "fast"
    assert config.model_dump(mode="json")["preset"] == "fast"
    assert make_config(config.model_dump(mode="json")) == config


def test_both_names_of_the_speed_preset_are_refused():
    with pytest.raises(ConfigError, match="preset"):
        make_config({"preset": "fast", "speed_preset": "fast"})


def test_settings_by_name_override_a_config():
    base = RunConfig(num_frames=8, layer=-2)
    assert make_config({"layer": 0.75}, base=base) == RunConfig(num_frames=8, layer=0.75)
    assert make_config({}, base=base) is base


def test_an_unknown_setting_is_refused_with_the_close_one():
    with pytest.raises(ConfigError, match="unknown setting 'num_frame'") as caught:
        make_config({"num_frame": 4})
    assert "did you mean num_frames" in caught.value.hint
