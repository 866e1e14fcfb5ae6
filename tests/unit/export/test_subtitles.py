from itertools import pairwise

import numpy as np
from constructed import make_explanation, make_info, moving_maps
from pysubs2 import SSAFile

from tam_video.export.exporting import export_explanation


def test_ass_shows_the_whole_answer_from_end_to_end(tmp_path):
    maps = np.stack([moving_maps()[0], moving_maps()[0, ::-1]])
    explanation = make_explanation(maps, words=["red", "star"], info=make_info(start_seconds=7.0))
    export_explanation(explanation, ["ass"], tmp_path / "out")
    lines = list(SSAFile.load(str(tmp_path / "out" / "words.ass")))
    assert {line.plaintext for line in lines} == {"red star"}
    assert (lines[0].start, lines[-1].end) == (0, 2400)
    assert all(a.end == b.start for a, b in pairwise(lines))
    lit = [line.text for line in lines]
    assert lit == [
        "red star",
        "{\\rLit}red{\\r} star",
        "{\\rLit}red{\\r} {\\rLit}star{\\r}",
        "red {\\rLit}star{\\r}",
        "red star",
    ]


def test_times_are_player_times_whatever_the_start_time(tmp_path):
    for start in (0.0, 7.0):
        explanation = make_explanation(moving_maps(), info=make_info(start_seconds=start))
        export_explanation(explanation, ["vtt", "srt"], tmp_path / str(start))
    for name in ("words.vtt", "words.srt"):
        texts = {(tmp_path / start / name).read_text() for start in ("0.0", "7.0")}
        assert len(texts) == 1
