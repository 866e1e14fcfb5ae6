import pytest

from tam_video.errors import ConfigError, UnknownNameError
from tam_video.evaluation.settings import ShapesSettings, identity_hash


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"methods": ("tan",)}, "tam"),
        ({"metrics": ("vio",)}, "viou"),
        ({"worlds": ("bas",)}, "base"),
    ],
)
def test_unknown_name_lists_close_matches(values, hint):
    with pytest.raises(UnknownNameError) as caught:
        ShapesSettings.make(values)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "values",
    [
        {"clips": 0},
        {"seed": -1},
        {"methods": ()},
        {"methods": ("tam", "tam")},
        {"layer": 1.5},
        {"steps": 0},
        {"colour": "red"},
    ],
)
def test_invalid_values_are_refused(values):
    with pytest.raises(ConfigError):
        ShapesSettings.make(values)


def test_order_of_names_and_number_of_clips_change_no_hash():
    one = ShapesSettings(methods=("tam", "logit"), clips=3).identity()
    two = ShapesSettings(methods=("logit", "tam"), clips=9).identity()
    assert identity_hash(one) == identity_hash(two)
    other = ShapesSettings(methods=("logit", "tam"), seed=1).identity()
    assert identity_hash(one) != identity_hash(other)


def test_identity_knows_the_weights(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    weights = tmp_path / "model.safetensors"
    result = []
    for content in (b"one", b"two"):
        weights.write_bytes(content)
        result.append(ShapesSettings(model=str(tmp_path)).identity()["weights"])
    assert result[0] != result[1]
    assert ShapesSettings(model="some/model").identity()["weights"] is None


def test_seeds_of_two_evaluations_do_not_meet():
    assert ShapesSettings(seed=2).clip_seed(5) == 2_000_005
