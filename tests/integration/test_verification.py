"""Whether words depend on their tracks, with the embedded model on a clip of shapes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from constructed import with_input

import tam_video
from tam_video.cli import cli
from tam_video.datasets.worlds import make_world, write_scene
from tam_video.errors import ConfigError, RunFolderError, TokenAlignmentError
from tam_video.export.document import load_explanation
from tam_video.export.exporting import export_run
from tam_video.export.manifest import verify_run
from tam_video.localise import word_tracks
from tam_video.localise.controls import control_masks
from tam_video.models.masking import blank_frames
from tam_video.render.turns import find_word
from tam_video.sampling import read_again
from tam_video.settings.verify import VerifySettings
from tam_video.types import WordVerification
from tam_video.verification import plan_verification, verify_answer, verify_words

SEED = 5
CAPTION = "A red cross stays still, a cyan circle stays still and a blue ring stays still."
FALSE_ANSWER = "A purple square moves left."
ASKED = VerifySettings(words=("red", "blue"), num_controls=3)


@pytest.fixture(scope="module")
def model(one_thread):
    return tam_video.load_model("tiny")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_scene(make_world("base", SEED), tmp_path_factory.mktemp("clip") / "clip.mp4")


def explain(clip, folder, model, **options):
    return tam_video.explain_to_folder(
        clip, folder, "Describe the video.", model=model, num_frames=6, render=False, **options
    ).run_dir


@pytest.fixture(scope="module")
def run_dir(clip, model, tmp_path_factory):
    return explain(clip, tmp_path_factory.mktemp("runs") / "out", model)


@pytest.fixture(scope="module")
def result(run_dir, model):
    return verify_answer(run_dir, settings=ASKED, model=model)


@pytest.fixture
def copied(run_dir, result, tmp_path):
    return shutil.copytree(run_dir, tmp_path / "copy")


def test_a_colour_word_loses_more_than_with_any_control_hidden(run_dir, result):
    assert load_explanation(run_dir).answer == CAPTION
    assert [len(each.controls) for each in result.words] == [3, 3]
    for each in result.words:
        assert each.is_confirmed
        assert each.hidden < 0.5 < min(each.controls)
    assert result.warnings == ()
    assert result.summary.startswith("2 of 2 words")


def test_a_false_name_does_not(clip, model, tmp_path):
    run_dir = explain(clip, tmp_path / "false", model, answer=FALSE_ANSWER)
    settings = VerifySettings(words=("purple", "square"), num_controls=2)
    result = verify_answer(run_dir, settings=settings, model=model)
    assert len(result.words) == 2
    assert not any(each.is_confirmed for each in result.words)


def hidden_by_loops(frames, mask, blank):
    """Replace the pixels whose centre lies in a hidden cell; the grid covers the whole frame."""
    result, (_, h, w) = frames.copy(), mask.shape
    num_frames, height, width, _ = frames.shape
    for frame, y, x in np.ndindex(num_frames, height, width):
        row, column = int((y + 0.5) / height * h), int((x + 0.5) / width * w)
        if mask[frame * len(mask) // num_frames, row, column]:
            result[frame, y, x] = blank[frame, y, x]
    return result


def test_the_probability_is_that_of_the_answer_about_hidden_pixels(run_dir, result, model):
    explanation = load_explanation(run_dir)
    check = result.words[0]
    word = explanation.words[check.word]
    track = word_tracks(explanation)[check.word]
    control = control_masks(track.mask, np.ones(track.mask.shape[1:], bool), limit=3)[0]
    (batch,) = read_again(
        explanation.inputs, [explanation.info.path], model=model, settings=tam_video.RunConfig()
    )
    np.testing.assert_array_equal(batch.indices, explanation.indices)
    expected = []
    for mask in (track.mask, control):
        values = []
        for fill in ("blur", "mean"):
            frames = hidden_by_loops(batch.frames, mask, blank_frames(batch.frames, fill))
            generation = model.generate(
                replace(batch, frames=frames), explanation.conversation, answer=explanation.answer
            )
            values.append(np.prod([generation.tokens[i].probability for i in word.token_indices]))
        expected.append(max(values))
    assert (check.hidden, check.controls[0]) == pytest.approx(expected, abs=2e-3)
    shown = np.prod([explanation.tokens[i].probability for i in word.token_indices])
    assert check.probability == pytest.approx(shown, abs=2e-3)


def test_the_result_is_in_the_run_folder_with_the_stated_cost(run_dir, result):
    assert verify_run(run_dir, hashes=True)
    explanation = load_explanation(run_dir)
    assert explanation.verification == result
    # One pass more than planned tests if several videos can be passed together.
    assert result.num_passes - plan_verification(explanation, ASKED).num_passes in (0, 1)
    assert "lose more probability" in (run_dir / "report.html").read_text(encoding="utf-8")
    assert (run_dir / "clip.mp4").exists()


def test_the_result_is_exported(run_dir, result, tmp_path):
    export_run(run_dir, ["csv", "json"], out_dir=tmp_path / "export")
    header, *rows = (tmp_path / "export" / "words.csv").read_text().splitlines()
    assert header.endswith(",num_controls,num_controls_beaten")
    checked = {str(each.word): each for each in result.words}
    for row in rows:
        index, *_, controls, beaten = row.split(",")
        check = checked.get(index)
        assert (controls, beaten) == (("", "") if check is None else ("3", str(check.num_beaten)))
    tracks = json.loads((tmp_path / "export" / "tracks.json").read_text())["words"]
    written = {row["word_index"]: row.get("verification") for row in tracks}
    for each in result.words:
        assert written[each.word]["hidden"] == each.hidden
        assert written[each.word]["controls"] == list(each.controls)
    assert sum(value is not None for value in written.values()) == 2


def test_a_constant_map_is_not_checked_and_a_full_one_has_no_control(run_dir, model):
    explanation = load_explanation(run_dir)
    word = find_word(explanation, "red").index
    maps = explanation.word_maps.copy()
    maps[word] = 0.5
    flat = with_input(explanation, word_maps=maps)
    settings = VerifySettings(words=("red",))
    plan = plan_verification(flat, settings)
    assert (plan.num_passes, plan.regions[0].masks.shape[0]) == (0, 0)
    maps[word] = 1.0
    maps[word, :, 0, 0] = 0.0
    full = with_input(explanation, word_maps=maps)
    plan = plan_verification(full, settings)
    batches = read_again(full.inputs, [full.info.path], model=model, settings=tam_video.RunConfig())
    (check,) = verify_words(full, batches, plan, model=model, settings=settings).words
    assert check.controls == ()
    assert not check.is_confirmed


def test_a_run_without_tracks_needs_no_model(copied):
    path = copied / "maps.npz"
    arrays = dict(np.load(path))
    np.savez(path, **{**arrays, "word_maps": np.full_like(arrays["word_maps"], 0.5)})
    result = verify_answer(copied, settings=VerifySettings(words=("red",)))
    assert result.num_passes == 0
    (check,) = result.words
    assert check == WordVerification(check.word, 0, check.probability)
    assert 0 < check.probability <= 1


def test_another_prompt_than_that_of_the_run_is_an_error(run_dir, model):
    explanation = load_explanation(run_dir)
    tokens = (replace(explanation.tokens[0], id=explanation.tokens[0].id + 1),)
    other = replace(explanation, tokens=(*tokens, *explanation.tokens[1:]))
    plan = plan_verification(other, ASKED)
    batches = read_again(
        other.inputs, [other.info.path], model=model, settings=tam_video.RunConfig()
    )
    with pytest.raises(TokenAlignmentError, match="differently"):
        verify_words(other, batches, plan, model=model, settings=ASKED)


def test_an_answer_with_control_tokens_is_an_error(run_dir, model):
    explanation = load_explanation(run_dir)
    *tokens, last = explanation.tokens
    other = replace(explanation, tokens=(*tokens, replace(last, position=last.position + 1)))
    plan = plan_verification(other, ASKED)
    batches = read_again(
        other.inputs, [other.info.path], model=model, settings=tam_video.RunConfig()
    )
    with pytest.raises(ConfigError, match="control tokens"):
        verify_words(other, batches, plan, model=model, settings=ASKED)


def test_only_the_input_of_the_highest_map_is_hidden(clip, model, tmp_path):
    other = write_scene(make_world("base", 4), tmp_path / "other.mp4")
    run_dir = explain([other, clip], tmp_path / "out", model)
    explanation = load_explanation(run_dir)
    names = [word.index for word in explanation.words if word.is_content][:2]
    settings = VerifySettings(words=tuple(names), num_controls=1)
    result = verify_answer(run_dir, settings=settings, model=model)
    for each in result.words:
        heats = [shown.word_maps[each.word].max() for shown in explanation.inputs]
        assert each.input == int(np.argmax(heats))
        assert each.hidden is not None


def test_wrong_words_and_sources_change_nothing(copied, tmp_path):
    before = {path.name: path.read_bytes() for path in copied.iterdir()}
    with pytest.raises(ConfigError, match="no word"):
        verify_answer(copied, settings=VerifySettings(words=("elephant",)))
    other = write_scene(make_world("base", SEED + 1), tmp_path / "other.mp4")
    with pytest.raises(RunFolderError, match="not the video"):
        verify_answer(copied, video=other)
    assert {path.name: path.read_bytes() for path in copied.iterdir()} == before


def test_the_command_states_the_cost_and_prints_a_line_per_word(copied):
    asked = ["verify", str(copied), "--controls", "1", "--word", "red"]
    done = CliRunner().invoke(cli, asked)
    assert done.exit_code == 0, done.output
    assert "verify: 1 word, about 6 passes" in done.stderr
    first, summary = done.stdout.splitlines()
    assert first.startswith("red  hidden: ")
    assert "1 words lose more" in summary
    assert len(load_explanation(copied).verification.words) == 1


def test_explain_can_verify_and_refuses_windows(clip, tmp_path):
    asked = ["explain", str(clip), "-q", "Describe the video.", "--verify"]
    refused = CliRunner().invoke(cli, [*asked, "--window", "2s", "-o", str(tmp_path / "long")])
    assert refused.exit_code == 2
    assert "--verify does not work with --window" in refused.stderr
    options = ["-n", "2", "--no-video", "--no-report", "--answer", "A cyan ring.", "--json"]
    done = CliRunner().invoke(cli, [*asked, *options, "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    words = json.loads(done.stdout)["verification"]["words"]
    assert [word["text"] for word in words] == ["cyan", "ring"]
    assert len(load_explanation(tmp_path / "out").verification.words) == 2
