"""What the gate calls motion, on pictures made for it."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.long_video import join_units
from tam_video.errors import ConfigError, VideoOpenError
from tam_video.long.gate import (
    ActiveSpan,
    GateOptions,
    Motion,
    MotionGate,
    active_spans,
    looks,
    stream_spans,
)
from tam_video.video.reader import ReadLimits
from tam_video.video.writer import write_video

HEIGHT, WIDTH = 90, 160
STEP = 0.5


def empty_scene() -> np.ndarray:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return 60 + 0.5 * columns + 0.4 * rows + 20 * ((columns // 20 + rows // 15) % 2)


def noisy(picture: np.ndarray, random: np.random.Generator, sigma: float = 4.0) -> np.ndarray:
    return np.clip(picture + random.normal(0, sigma, picture.shape), 0, 255).astype(np.uint8)


def watched(pictures: list[np.ndarray], options: GateOptions | None = None) -> list[Motion]:
    gate = MotionGate(options)
    return [gate.look(number * STEP, picture) for number, picture in enumerate(pictures)]


def test_noise_alone_is_no_motion() -> None:
    random = np.random.default_rng(1)
    seen = watched([noisy(empty_scene(), random) for _ in range(120)])
    assert active_spans(seen) == ()


def test_slow_light_is_no_motion() -> None:
    random = np.random.default_rng(2)
    light = 1 + 0.4 * np.sin(np.linspace(0, 6, 240))
    seen = watched([noisy(empty_scene() * gain, random, 3) for gain in light])
    assert active_spans(seen) == ()


def test_flash_of_one_look_is_no_motion() -> None:
    random = np.random.default_rng(3)
    pictures = [noisy(empty_scene(), random) for _ in range(60)]
    pictures[30] = noisy(empty_scene() * 1.8 + 60, random)
    assert active_spans(watched(pictures)) == ()


def test_clipped_flash_is_global_and_starts_no_span() -> None:
    random = np.random.default_rng(3)
    pictures = [noisy(empty_scene(), random) for _ in range(60)]
    pictures[30] = np.full((HEIGHT, WIDTH), 255, np.uint8)
    assert active_spans(watched(pictures)) == ()


def test_moving_square_is_detected_with_its_time_and_box() -> None:
    random = np.random.default_rng(4)
    pictures = []
    for number in range(100):
        picture = empty_scene()
        if 40 <= number < 60:
            left = 10 + 4 * (number - 40)
            picture[30:42, left : left + 12] = 220
        pictures.append(noisy(picture, random))
    seen = watched(pictures)
    assert all(each.share == 0 for each in seen[:40])
    for number, each in enumerate(seen[40:60]):
        left, top, right, bottom = each.boxes[0]
        middle = (10 + 4 * number + 6) / WIDTH
        assert (left + right) / 2 == pytest.approx(middle, abs=0.02)
        assert (top + bottom) / 2 == pytest.approx(36 / HEIGHT, abs=0.03)
        assert each.share == pytest.approx(144 / (WIDTH * HEIGHT), rel=0.5)
    [span] = active_spans(seen)
    assert span.start_seconds == pytest.approx(40 * STEP - 1.0)
    assert span.end_seconds == pytest.approx(60 * STEP + 1.0, abs=STEP)


def test_still_object_becomes_background() -> None:
    random = np.random.default_rng(5)
    parked = empty_scene()
    parked[30:60, 40:90] = 230
    pictures = [noisy(empty_scene(), random) for _ in range(200)]
    pictures += [noisy(parked, random) for _ in range(200)]
    seen = watched(pictures, GateOptions(absorb_seconds=10))
    assert seen[201].share > 0.08
    assert all(each.share == 0 for each in seen[-100:])


def test_changed_scene_is_motion_until_it_is_learned() -> None:
    random = np.random.default_rng(6)
    other = np.rot90(empty_scene(), 2) * 0.4 + 90 * (np.arange(WIDTH) % 40 < 20)
    pictures = [noisy(empty_scene(), random) for _ in range(60)]
    pictures += [noisy(other, random) for _ in range(60)]
    seen = watched(pictures, GateOptions(global_share=0.3))
    [span] = active_spans(seen)
    assert span.start_seconds == pytest.approx(29, abs=1)
    assert span.end_seconds < 40


def test_picture_of_another_size_is_a_new_scene() -> None:
    gate = MotionGate()
    gate.look(0, np.full((90, 160), 80, np.uint8))
    assert gate.look(1, np.full((50, 60), 200, np.uint8)) == Motion(1, 0.0)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_picture_gives_shares_within_the_picture(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    gate = MotionGate()
    for number in range(3):
        motion = gate.look(number, data.draw(arrays(np.uint8, shape)))
        assert 0 <= motion.share <= 1
        for left, top, right, bottom in motion.boxes:
            assert 0 <= left < right <= 1
            assert 0 <= top < bottom <= 1


def still(*seconds: float) -> list[Motion]:
    return [Motion(at, 0.0) for at in seconds]


def test_spans_are_padded_merged_and_end_late() -> None:
    options = GateOptions(looks_per_second=1, merge_seconds=0.5)
    shares = dict.fromkeys(range(30), 0.0) | {10: 0.01, 11: 0.0007, 12: 0.002, 15: 0.01, 25: 0.01}
    motions = [Motion(at, share) for at, share in shares.items()]
    assert active_spans(motions, options) == (ActiveSpan(9, 17, 0.01), ActiveSpan(24, 27, 0.01))


def test_weak_motion_continues_a_span_but_starts_none() -> None:
    options = GateOptions(looks_per_second=1)
    weak = [Motion(at, 0.0007) for at in range(10)]
    assert active_spans(weak, options) == ()


def test_span_is_yielded_before_the_looks_end() -> None:
    def endless():
        yield from (Motion(at, 0.01 if at < 3 else 0.0) for at in range(100))
        raise AssertionError("looked further than needed")

    assert next(stream_spans(endless(), GateOptions(looks_per_second=1))).start_seconds == 0


def test_no_looks_give_no_spans() -> None:
    assert active_spans(()) == ()
    assert active_spans(still(0.0)) == ()


@pytest.mark.parametrize(
    "wrong", [{"looks_per_second": 0}, {"side": 4}, {"off_share": 0.1}, {"deviations": np.nan}]
)
def test_invalid_options_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        GateOptions(**wrong)


@pytest.mark.parametrize(
    "name",
    [
        "h264_b",
        "rot90",
        "vfr_mp4",
        "gif",
        "mjpeg_avi",
        "h264_b_avi",
        "mpegts",
        "start5_mp4",
        "one_frame",
        "mpeg4_b_avi",
        "two_streams",
        "intra_refresh",
        "packed_b_avi",
    ],
)
def test_looks_are_in_order_at_the_requested_rate(clips, name: str) -> None:
    seen = [each.pts_seconds for each in looks(clips.path(name))]
    assert seen == sorted(seen)
    assert seen
    assert (np.diff(seen) > 0.2).all()


def test_missing_file_is_a_typed_error(tmp_path) -> None:
    with pytest.raises(VideoOpenError):
        next(looks(tmp_path / "none.mp4"))


@pytest.fixture(scope="module")
def mixed_keyframes(tmp_path_factory):
    """Thirty seconds with a keyframe each half second, then fifteen with one in ten seconds."""
    folder = tmp_path_factory.mktemp("mixed")
    rows, columns = np.mgrid[:48, :64].astype(np.uint8)
    picture = np.stack([rows * 4, columns * 3, rows + columns], axis=2)
    units = []
    for name, rate in (("close", 6), ("far", 125)):
        frames = ((k / 25, picture) for k in range(375))
        path = folder / f"{name}.mp4"
        write_video(path, frames, width=64, height=48, average_fps=Fraction(rate))
        units.append(path)
    join_units(folder / "mixed.mp4", [units[0], units[0], units[1]])
    return folder / "mixed.mp4"


def test_keyframes_that_become_rare_leave_no_gap(mixed_keyframes) -> None:
    seen = [each.pts_seconds for each in looks(mixed_keyframes)]
    assert seen[-1] > 44
    assert np.diff(seen).max() < 0.6
    assert np.diff(seen).min() > 0.3


def test_looks_can_begin_and_end_within_the_file(mixed_keyframes) -> None:
    seen = [each.pts_seconds for each in looks(mixed_keyframes, start_seconds=33, end_seconds=36)]
    assert seen[0] == pytest.approx(33, abs=0.05)
    assert seen[-1] == pytest.approx(35.8, abs=0.3)


def test_file_that_is_too_long_is_refused(mixed_keyframes) -> None:
    for limits in (ReadLimits(max_seconds=20), ReadLimits(max_frames=900)):
        with pytest.raises(VideoOpenError):
            list(looks(mixed_keyframes, limits=limits))


def test_damaged_file_is_read_as_far_as_possible(clips) -> None:
    assert list(looks(clips.path("corrupt_mid")))
