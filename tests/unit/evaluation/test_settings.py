import pytest

from tam_video.errors import ConfigError, UnknownNameError
from tam_video.evaluation.settings import EvaluationSettings, identity_hash, make_settings


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
        make_settings(values)
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
def test_senseless_values_are_refused(values):
    with pytest.raises(ConfigError):
        make_settings(values)


def test_order_of_names_and_number_of_clips_change_no_hash():
    one = EvaluationSettings(methods=("tam", "logit"), clips=3).identity()
    two = EvaluationSettings(methods=("logit", "tam"), clips=9).identity()
    assert identity_hash(one) == identity_hash(two)
    other = EvaluationSettings(methods=("logit", "tam"), seed=1).identity()
    assert identity_hash(one) != identity_hash(other)


def test_identity_knows_the_weights(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    weights = tmp_path / "model.safetensors"
    found = []
    for content in (b"one", b"two"):
        weights.write_bytes(content)
        found.append(EvaluationSettings(model=str(tmp_path)).identity()["weights"])
    assert found[0] != found[1]
    assert EvaluationSettings(model="some/model").identity()["weights"] is None


def test_seeds_of_two_evaluations_do_not_meet():
    assert EvaluationSettings(seed=2).clip_seed(5) == 2_000_005
