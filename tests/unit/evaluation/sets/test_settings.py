import pytest
from click.testing import CliRunner

from tam_video.cli import cli
from tam_video.errors import ConfigError, DatasetError, UnknownNameError
from tam_video.evaluation.run import clip_jobs
from tam_video.evaluation.sets import SETS
from tam_video.evaluation.sets.settings import SetSettings, set_items
from tam_video.evaluation.settings import identity_hash


@pytest.fixture
def values(lookalikes):
    return {"data": lookalikes.folder("mevis")}


def test_set_fills_in_defaults(values):
    settings = SetSettings.make({"dataset": "mevis", **values})
    assert settings.worlds == ("valid_u",)
    assert settings.fps == 6
    assert settings.question == "Describe the video."
    assert "viou" in settings.metrics
    assert settings.items["valid_u"].count == len(clip_jobs(settings)) == 6


def test_items_of_a_shorter_run_are_the_first_of_a_longer_run(values):
    short = SetSettings.make({"dataset": "mevis", **values, "clips": 2})
    whole = SetSettings.make({"dataset": "mevis", **values})
    assert clip_jobs(whole)[:2] == clip_jobs(short)
    assert set_items(whole, "valid_u")[:2] == set_items(short, "valid_u")[:2]
    assert identity_hash(short.identity()) == identity_hash(whole.identity())


def test_seed_changes_the_order_alone(values):
    one, other = (SetSettings.make({"dataset": "mevis", **values, "seed": seed}) for seed in (0, 1))
    names = [[item.name for item in set_items(each, "valid_u")] for each in (one, other)]
    assert names[0] != names[1]
    assert sorted(names[0]) == sorted(names[1])
    assert one.items == other.items
    assert identity_hash(one.identity()) != identity_hash(other.identity())


def test_path_of_the_folder_is_not_part_of_the_identity(values, tmp_path):
    moved = tmp_path / "moved"
    moved.symlink_to(values["data"])
    here, there = (
        SetSettings.make({"dataset": "mevis", "data": data}) for data in (values["data"], moved)
    )
    assert here.identity() == there.identity()
    assert "split" not in here.model_dump()


def test_metric_that_a_set_does_not_support_is_refused(values):
    with pytest.raises(ConfigError) as caught:
        SetSettings.make({"dataset": "mevis", **values, "metrics": ("amcr",)})
    assert "viou" in caught.value.hint


@pytest.mark.parametrize(
    "wrong",
    [{"worlds": ("val",)}, {"metrics": ("vio",)}, {"methods": ("tan",)}],
)
def test_unknown_names_are_reported(values, wrong):
    with pytest.raises(UnknownNameError):
        SetSettings.make({"dataset": "mevis", **values, **wrong})


@pytest.mark.parametrize(
    "wrong", [{"fps": 0.0}, {"fps": -1.0}, {"num_frames": 0}, {"clips": 0}, {"steps": 0}]
)
def test_invalid_values_are_refused(values, wrong):
    with pytest.raises(ConfigError):
        SetSettings.make({"dataset": "mevis", **values, **wrong})


def test_unknown_set_and_wrong_folder_are_reported(values, tmp_path):
    with pytest.raises(UnknownNameError, match="mevi"):
        SetSettings.make({"dataset": "mevi", **values})
    with pytest.raises(DatasetError):
        SetSettings.make({"dataset": "mevis", "data": tmp_path})


def test_set_of_a_third_party_has_its_command(monkeypatch):
    target = SETS.targets["mevis"]
    monkeypatch.setitem(SETS.targets, "mine", target)
    shown = CliRunner().invoke(cli, ["evaluate", "mine", "--help"])
    assert shown.exit_code == 0
    assert "--data" in shown.output
    assert "mine" in CliRunner().invoke(cli, ["evaluate", "--help"]).output
    assert CliRunner().invoke(cli, ["evaluate", "nothing", "--help"]).exit_code == 2
