from dataclasses import replace

import numpy as np
import pytest
from render_cases import explain, explanation

from tam_video.errors import ConfigError
from tam_video.render import annotate
from tam_video.render.compare import render_comparison, run_names
from tam_video.render.options import RenderOptions
from tam_video.types import Message


def run(**settings):
    return replace(explanation(), settings=settings)


def test_runs_are_called_by_what_differs():
    runs = [run(model="tiny", layer=-1), run(model="tiny", layer=0.75)]
    assert run_names(runs, ["a", "b"]) == ["layer -1", "layer 0.75"]
    runs = [run(model="one", layer=-1), run(model="two", layer=0.5)]
    assert run_names(runs, ["a", "b"]) == ["one · layer -1", "two · layer 0.5"]


def test_runs_that_do_not_differ_are_called_by_their_folders():
    assert run_names([run(model="tiny"), run(model="tiny")], ["a", "b"]) == ["a", "b"]


@pytest.mark.parametrize("count", [0, 1, 10])
def test_too_few_or_too_many_runs_are_refused(tmp_path, count):
    with pytest.raises(ConfigError) as caught:
        render_comparison(
            [explanation()] * count, ["x"] * count, tmp_path / "c", tmp_path / "o.mp4"
        )
    assert caught.value.hint


def test_a_name_has_only_the_settings_of_its_run_that_differ():
    runs = [run(model="a", method="tam", layer=0.5), run(model="a", profile="published")]
    assert run_names(runs, ["x", "y"]) == ["tam · layer 0.5", "published"]
    runs = [run(model="a"), run(model="a", layer=0)]
    assert run_names(runs, ["x", "y"]) == ["x", "layer 0"]


def test_runs_of_other_questions_and_frames_are_called_by_these():
    first, second = run(), run()
    asked = replace(second, conversation=(Message("user", "Why?"),))
    assert run_names([first, asked], ["x", "y"]) == ["x", "Why?"]
    more = replace(first.inputs[0], indices=np.arange(3), pts_seconds=np.arange(3.0))
    assert run_names([first, replace(second, inputs=(more,))], ["x", "y"]) == [
        "2 frames",
        "3 frames",
    ]


def test_runs_with_equal_names_are_all_called_by_their_folders():
    runs = [run(layer=1), run(layer=1), run(layer=2)]
    assert run_names(runs, ["a", "b", "c"]) == ["a", "b", "c"]


@pytest.mark.parametrize("count", [2, 9])
def test_two_to_nine_runs_are_compared(clips, tmp_path, count):
    source = clips.path("one_frame")
    runs = [explain(source, answer="red moves")] * count
    names = [f"run {index}" for index in range(count)]
    calls = []
    files = render_comparison(
        runs, names, source, tmp_path / "c.mp4", progress=lambda *call: calls.append(call)
    )
    assert calls == [(1, 1)]
    assert files.mp4 == tmp_path / "c.mp4"
    assert files.vtt == tmp_path / "c.vtt"


def test_the_preview_of_a_comparison_has_the_names_as_its_title(clips, tmp_path, monkeypatch):
    calls = []

    def write_preview(mp4, path, *, title, font):
        calls.append((path, title))
        return path

    monkeypatch.setattr(annotate, "write_preview", write_preview)
    source = clips.path("one_frame")
    render_comparison(
        [explain(source), explain(source)],
        ["first", "second"],
        source,
        tmp_path / "c.mp4",
        options=RenderOptions(previews=("gif",)),
    )
    assert calls == [(tmp_path / "c.gif", "first / second")]


def test_one_run_that_has_the_chosen_word_is_enough(clips, tmp_path):
    source = clips.path("one_frame")
    runs = [explain(source, answer="no"), explain(source, answer="red")]
    look = RenderOptions(show_word="red")
    render_comparison(runs, ["a", "b"], source, tmp_path / "c.mp4", options=look)
    assert (tmp_path / "c.mp4").is_file()
    with pytest.raises(ConfigError, match="no answer contains the word 'blue'"):
        render_comparison(
            runs,
            ["a", "b"],
            source,
            tmp_path / "d.mp4",
            options=RenderOptions(show_word="blue"),
        )
