from itertools import pairwise

import numpy as np
from constructed import make_explanation, make_info, moving_maps, with_input
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


def test_the_text_of_ass_has_a_size_for_the_video(tmp_path):
    for height, size in ((90, 10), (180, 10), (360, 20), (720, 40)):
        explanation = make_explanation(moving_maps(), info=make_info(height=height))
        export_explanation(explanation, ["ass"], tmp_path / str(height))
        styles = SSAFile.load(str(tmp_path / str(height) / "words.ass")).styles
        assert {style.fontsize for style in styles.values()} == {size}
        assert {round(style.outline, 3) for style in styles.values()} == {round(size / 14, 3)}


def test_a_cue_lasts_at_least_a_millisecond(tmp_path):
    maps = np.zeros((1, 2, 1, 2), np.float32)
    maps[0, 0, 0, 1] = 1.0
    explanation = make_explanation(maps, info=make_info(num_frames=4))
    seconds = np.array([0.0, 0.0001, 0.0002, 0.0003])
    explanation = with_input(explanation, pts_seconds=seconds)
    export_explanation(explanation, ["srt"], tmp_path, frame_seconds=[seconds])
    (cue,) = SSAFile.load(str(tmp_path / "words.srt"))
    assert (cue.start, cue.end) == (0, 1)
