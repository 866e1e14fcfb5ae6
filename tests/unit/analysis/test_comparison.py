import json

import numpy as np
import pytest
from click.testing import CliRunner
from constructed import HOSTILE, blobs, make_explanation, make_info, moving_maps

from tam_video.analysis import compare, compare_runs
from tam_video.analysis.comparison import shared_words
from tam_video.cli import cli
from tam_video.cli.compare import comparison_tables
from tam_video.errors import ConfigError, OutputExistsError, RunFolderError


def runs(*answers):
    return [make_explanation(moving_maps(len(words)), words=words) for words in answers]


def save(tmp_path, *answers):
    return [each.save(tmp_path / f"run{k}") for k, each in enumerate(runs(*answers))]


def test_shared_words_are_paired_by_text_and_turn():
    first, second = runs(("Red", "star", "red", "ring"), ("a", "red", "ring", "red", "red"))
    pairs = [(ours.index, theirs.index) for ours, theirs in shared_words(first.words, second.words)]
    assert pairs == [(0, 1), (2, 3), (3, 2)]


def test_every_two_runs_are_compared_word_by_word():
    explanations = runs(("red", "star"), ("star", "red"), ("ring",))
    result = compare(explanations, ["a", "b", "c"])
    assert [(pair.first, pair.second) for pair in result.pairs] == [(0, 1), (0, 2), (1, 2)]
    words, none = result.pairs[0], result.pairs[1]
    assert [(word.text, word.first, word.second) for word in words.words] == [
        ("red", 0, 1),
        ("star", 1, 0),
    ]
    # The star of one lies a row below the star of the other.
    assert {word.figures.peak_cells for word in words.words} == {1.0}
    assert {word.figures.peak_slots for word in words.words} == {0.0}
    assert words.answer.iou == 1
    assert none.words == ()
    assert none.mean.as_dict()["iou"] is None
    assert none.answer.iou > 0


def test_differences_do_not_depend_on_the_scale_of_maps():
    maps = blobs((2, 2, 2), [(0, 0, 0)])[None]
    first, second = make_explanation(maps), make_explanation(0.5 * maps)
    other = make_explanation(blobs((2, 2, 2), [(1, 1, 1)])[None])
    same, moved, _ = compare([first, second, other], ["a", "b", "c"]).pairs
    assert not same.differences.any()
    expected = np.zeros((2, 2, 2))
    expected[0, 0, 0], expected[1, 1, 1] = -1, 1
    np.testing.assert_array_equal(moved.differences, [expected, expected])


def test_runs_of_other_grids_are_brought_to_the_finest():
    fine = make_explanation(moving_maps(1), words=["red"])
    coarse = make_explanation(
        fine.word_maps.reshape(1, 3, 2, 3, 2, 3, 2).mean((2, 4, 6)), words=["red"]
    )
    (pair,) = compare([coarse, fine], ["coarse", "fine"]).pairs
    assert pair.differences.shape == (2, 6, 6, 6)
    assert pair.words[0].figures.spearman > 0.4
    assert pair.words[0].figures.peak_cells <= 2


def test_answers_without_a_word_are_compared_without_figures():
    empty = make_explanation(np.zeros((0, 2, 2, 2), np.float32))
    (pair,) = compare([empty, empty], ["a", "b"]).pairs
    assert pair.words == ()
    assert set(pair.answer.as_dict().values()) == {None}
    assert pair.differences.shape == (1, 2, 2, 2)


@pytest.mark.parametrize("count", [0, 1, 10])
def test_too_few_and_too_many_runs_are_refused(count):
    with pytest.raises(ConfigError, match="can't compare"):
        compare(runs(*[("a",)] * count), ["x"] * count)


def test_runs_of_other_clips_are_refused():
    here = make_explanation(moving_maps())
    there = make_explanation(moving_maps(), info=make_info(width=92))
    with pytest.raises(ConfigError, match="different clips"):
        compare([here, there], ["a", "b"])


def test_folder_holds_figures_and_differences(tmp_path):
    done = compare_runs(save(tmp_path, ("red", "star"), ("star",)), tmp_path / "out", render=False)
    assert sorted(path.name for path in done.folder.iterdir()) == [
        "comparison.json",
        "differences.npz",
        "manifest.json",
    ]
    document = json.loads(done.files["comparison"].read_text())
    assert document == done.comparison.as_dict()
    assert [each["name"] for each in document["runs"]] == ["run0", "run1"]
    assert document["clip"] == "the clip.mp4"
    assert "/nowhere" not in done.files["comparison"].read_text()
    with np.load(done.files["differences"], allow_pickle=False) as stored:
        assert stored["difference_0_1"].shape == (2, 6, 6, 6)
        np.testing.assert_array_equal(stored["slot_seconds"], document["grid"]["slot_seconds"])


def test_only_an_earlier_comparison_is_replaced(tmp_path):
    places = save(tmp_path, ("red",), ("red",))
    compare_runs(places, tmp_path / "out", render=False)
    with pytest.raises(OutputExistsError, match="finished"):
        compare_runs(places, tmp_path / "out", render=False)
    compare_runs(places, tmp_path / "out", render=False, force=True)
    with pytest.raises(OutputExistsError, match="not a comparison"):
        compare_runs(places, places[0], render=False, force=True)
    assert (places[0] / "explanation.json").exists()


def test_a_run_given_twice_or_unfinished_is_refused(tmp_path):
    (place,) = save(tmp_path, ("red",))
    with pytest.raises(ConfigError, match="twice"):
        compare_runs([place, place], tmp_path / "out")
    with pytest.raises(RunFolderError):
        compare_runs([place, tmp_path / "none"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_clip_is_an_error_before_anything_is_written(tmp_path):
    places = save(tmp_path, ("red",), ("red",))
    with pytest.raises(Exception, match="nowhere") as caught:
        compare_runs(places, tmp_path / "out")
    assert caught.value.exit_code == 1
    assert not (tmp_path / "out").exists()


def test_command_tells_figures_as_table_and_as_json(tmp_path):
    places = [str(place) for place in save(tmp_path, ("red", "star"), ("star",))]
    asked = ["compare", *places, "--no-video", "--quiet", "-o"]
    done = CliRunner().invoke(cli, [*asked, str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["pairs"][0]["words"][0]["text"] == "star"
    assert document["files"]["comparison"] == str(tmp_path / "out" / "comparison.json")
    done = CliRunner().invoke(cli, [*asked, str(tmp_path / "table")])
    assert "star" in done.stdout
    assert "mean of the words" in done.stdout
    done = CliRunner().invoke(cli, [*asked, str(tmp_path / "out")])
    assert done.exit_code == 1
    assert "hint" in done.stderr


def test_untrusted_words_and_names_stay_on_their_line():
    one, two = runs(HOSTILE, HOSTILE)
    text = comparison_tables(compare([one, two], [HOSTILE[4], "[bold]b"]), width=200)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[bold]b" in text
    assert "<img src=x onerror=alert(1)>" in text
