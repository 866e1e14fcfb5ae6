from dataclasses import replace

import pytest
from render_cases import explanation

from tam_video.errors import ConfigError
from tam_video.render.compare import render_comparison, run_names


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
