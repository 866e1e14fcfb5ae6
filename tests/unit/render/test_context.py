"""What the model received in a run, in the clip's times and pixels."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from render_cases import explanation

from tam_video.localise import subject_track
from tam_video.render.context import RenderContext
from tam_video.render.options import RenderOptions
from tam_video.render.schedule import ClipClock
from tam_video.render.turns import NO_SUBJECT, token_subject, words_subject
from tam_video.types import VideoInfo, View, VisualLayout

PTS = np.arange(4.0)
CLOCK = ClipClock(PTS, end_seconds=4.0)


def context(**options):
    info = VideoInfo(Path("c.mp4"), 4, 64, 32, Fraction(1), 4.0)
    return RenderContext(info, CLOCK, RenderOptions(), matrix=1, **options)


def run(view=View()):  # noqa: B008
    """Two slots of two frames, on a grid of 2 x 2 cells."""
    seen = explanation()
    count = len(seen.words)
    maps = np.zeros((count + 1, 2, 2, 2), np.float32)
    for index in range(count + 1):
        maps[index, :, index // 2 % 2, index % 2] = 1.0
    first = replace(
        seen.inputs[0],
        indices=np.arange(4),
        pts_seconds=PTS,
        layout=VisualLayout(2, 2, 2, ((0, 1), (2, 3)), view),
        maps=maps,
        word_maps=maps[1:].copy(),
        info=replace(seen.inputs[0].info, num_frames=4, width=64, height=32, duration_seconds=4.0),
    )
    return replace(seen, inputs=(first,))


def test_the_geometry_has_the_times_the_view_and_the_size_of_a_run():
    view = View(0.25, 0.0, 0.75, 1.0)
    geometry = context().geometry(run(view))
    np.testing.assert_array_equal(geometry.slot_seconds, [0.5, 2.5])
    assert (geometry.window.start_seconds, geometry.window.end_seconds) == (-0.5, 4.0)
    assert geometry.view == view
    assert geometry.size == (64, 32)


def test_the_axis_is_that_of_the_clip_with_the_slots_of_the_run():
    here = context()
    geometry = here.geometry(run())
    axis = here.axis(geometry)
    assert (axis.start_seconds, axis.end_seconds) == (0.0, 4.0)
    np.testing.assert_array_equal(axis.slot_seconds, [0.5, 2.5])
    assert axis.window is geometry.window
    assert len(here.clock_axis.slot_seconds) == 0


def test_words_and_tokens_have_the_boxes_of_their_tracks():
    seen = run()
    boxes = context().geometry(seen).boxes
    words = words_subject(seen, seen.words[1:3])
    tracks = [subject_track(seen, word=word, frame_seconds=PTS) for word in (1, 2)]
    for frame in range(4):
        assert boxes(words, frame) == [track.box_at(frame) for track in tracks]
    assert len(boxes(words, 0)) == 2
    track = subject_track(seen, token=2, frame_seconds=PTS)
    assert boxes(token_subject(seen, 2), 0) == [track.box_at(0)]
    first = subject_track(seen, token=0, frame_seconds=PTS)
    assert boxes(token_subject(seen, 0), 0) == [first.box_at(0)]
    assert boxes(NO_SUBJECT, 0) == []


def test_a_subject_without_heat_has_no_box():
    seen = run()
    cold = replace(seen.inputs[0], maps=seen.maps * 0, word_maps=seen.word_maps * 0)
    seen = replace(seen, inputs=(cold,))
    assert context().geometry(seen).boxes(words_subject(seen, seen.words[1:2]), 0) == []


@pytest.mark.parametrize("step", [1, 2])
def test_a_canvas_has_the_matrix_and_the_subsampling_of_the_context(step):
    canvas = context(step=step).canvas(40, 30)
    assert (canvas.width, canvas.height, canvas.matrix, canvas.step) == (40, 30, 1, step)
    assert canvas.drawn.planes.u.shape == (30 // step, 40 // step)


def test_a_context_is_of_a_clip_in_4_2_0_by_default():
    assert context().canvas(4, 2).step == 2
