"""One suite for every export format: written, read by its own reader, and never by surprise."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from constructed import (
    FPS,
    HOSTILE,
    make_explanation,
    make_info,
    make_input,
    moving_maps,
    with_input,
)
from export_readers import READERS, ReadTrack

from tam_video.errors import ExportError, MissingDependencyError, OutputExistsError
from tam_video.export import EXPORTERS
from tam_video.export.exporting import export_explanation
from tam_video.export.plain_text import one_line
from tam_video.localise import word_tracks
from tam_video.types import Explanation, View

NAMES = sorted(EXPORTERS.targets)
PLAYERS = {"ass", "elan", "labelstudio", "srt", "vtt"}
"""Formats whose times are counted from the first frame; the others have the source's clock."""


def export(explanation: Explanation, name: str, folder: Path, **options: object) -> list[ReadTrack]:
    export_explanation(explanation, [name], folder, **options)
    return READERS[name](folder, explanation.info)


def check(read: list[ReadTrack], explanation: Explanation, name: str, **options: object) -> None:
    """What was read is what the tracks say: masks and boxes to a pixel, spans to a frame."""
    true = {one_line(track.text): track for track in word_tracks(explanation, **options)}
    starts = explanation.info.start_seconds if name in PLAYERS else 0.0
    for got in read:
        track = true[got.label]
        boxes = {
            frame: box
            for frame in range(explanation.info.num_frames)
            if (box := track.box_at(frame)) is not None
        }
        if got.boxes is not None:
            assert set(got.boxes) == set(boxes)
            for frame, box in boxes.items():
                assert np.abs(np.subtract(got.boxes[frame], box)).max() <= 1
        if got.masks is not None:
            assert set(got.masks) == set(boxes)
            for frame, mask in got.masks.items():
                assert np.array_equal(mask, track.pixel_mask(track.timeline.frame_slots[frame]))
        if got.spans is not None:
            spans = np.array(track.spans_seconds) - starts
            assert np.shape(got.spans) == spans.shape
            assert np.abs(np.subtract(got.spans, spans)).max() <= 1 / FPS + 1e-6


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("info", "view"),
    [
        (make_info(), View()),
        (make_info(num_frames=31, width=161, height=121, start_seconds=5.0), View()),
        (make_info(width=160, height=90), View(0.21875, 0.0, 0.78125, 1.0)),
        (make_info(width=160, height=90), View(0.0, -0.38888, 1.0, 1.38888)),
    ],
    ids=["plain", "odd-late", "cropped", "padded"],
)
def test_boxes_masks_and_times_read_back(name, info, view, tmp_path):
    explanation = make_explanation(moving_maps(2), info=info, view=view)
    if name == "davis":  # words hide each other there: see its own test
        explanation = make_explanation(moving_maps(1), info=info, view=view)
    read = export(explanation, name, tmp_path / "out")
    shown = [track for track in word_tracks(explanation) if not track.is_empty]
    assert [got.label for got in read if got.spans != []] == [track.text for track in shown]
    check(read, explanation, name)


@pytest.mark.parametrize("name", NAMES)
def test_the_first_frame_has_the_documented_number(name, tmp_path):
    """Hot from the first frame to the last: an index that is off by one would show."""
    maps = np.zeros((1, 2, 2, 2), np.float32)
    maps[0, :, 1, 1] = 1.0
    explanation = make_explanation(maps)
    (got,) = export(explanation, name, tmp_path / "out")
    frames = got.boxes or got.masks
    assert frames is not None or got.spans is not None
    if frames is not None:
        assert (min(frames), max(frames)) == (0, explanation.info.num_frames - 1)
        assert EXPORTERS.load(name).index_base is not None
    if got.spans is not None:
        ((start, end),) = got.spans
        assert (start, end) == pytest.approx((0.0, explanation.info.duration_seconds))


@pytest.mark.parametrize("name", NAMES)
def test_several_spans_of_a_word_read_back(name, tmp_path):
    explanation = make_explanation(moving_maps(1))
    read = export(explanation, name, tmp_path / "out", keep="all")
    if name in ("csv", "parquet"):  # a row tells the first start and the last end
        assert read[0].spans == [
            pytest.approx(word_tracks(explanation, keep="all")[0].span_seconds)
        ]
    elif name == "spans":
        assert len(read) == 2
    else:
        check(read, explanation, name, keep="all")


@pytest.mark.parametrize("name", NAMES)
def test_hostile_words_stay_text(name, tmp_path):
    explanation = make_explanation(moving_maps(len(HOSTILE)), words=HOSTILE)
    read = export(explanation, name, tmp_path / "out")
    assert [got.label for got in read] == [one_line(word) for word in HOSTILE]
    for path in (tmp_path / "out").rglob("*"):
        if path.suffix in (".xml", ".eaf", ".vtt"):
            assert b"<img" not in path.read_bytes()
            assert b"\x00" not in path.read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_without_words_and_a_word_without_a_track_are_exported(name, tmp_path):
    nothing = make_explanation(np.zeros((0, 2, 3, 3), np.float32))
    assert export(nothing, name, tmp_path / "nothing") == []
    even = make_explanation(np.full((1, 2, 3, 3), 0.5, np.float32))
    for got in export(even, name, tmp_path / "even"):
        assert not got.boxes
        assert not got.masks
        assert not got.spans
    warnings = export_explanation(even, [name], tmp_path / "warnings").warnings
    assert warnings == ("the clip.mp4: no track for 'word0': a constant map",)


@pytest.mark.parametrize("name", NAMES)
def test_a_still_picture_is_one_frame(name, tmp_path):
    maps = np.zeros((1, 1, 2, 2), np.float32)
    maps[0, 0, 0, 1] = 1.0
    explanation = make_explanation(maps, info=replace(make_info(num_frames=1), is_image=True))
    explanation = with_input(explanation, indices=np.zeros(2, np.int64), pts_seconds=np.zeros(2))
    check(export(explanation, name, tmp_path / "out"), explanation, name)


@pytest.mark.parametrize("name", NAMES)
def test_every_input_has_files_of_its_own(name, tmp_path):
    later = make_input(moving_maps()[:, ::-1].copy(), info=make_info(width=160, height=120))
    explanation = make_explanation(moving_maps(), others=[later])
    done = export_explanation(explanation, [name], tmp_path / "out")
    exporter = EXPORTERS.load(name)
    assert len(done.files[name]) == 2 * len(exporter.files)
    for file in exporter.files:
        first, second = tmp_path / "out" / file, tmp_path / "out" / Path(file).stem
        second = second.with_name(f"{second.name}_1{first.suffix}")
        assert {first, second} <= set(done.files[name])
        assert first.exists()
        first.rename(tmp_path / f"first-{file}")
        second.rename(first)
    check(READERS[name](tmp_path / "out", later.info), explanation.of_input(1), name)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_run_gives_the_same_bytes(name, tmp_path):
    explanation = make_explanation(moving_maps(2))
    for folder in ("one", "two"):
        export_explanation(explanation, [name], tmp_path / folder)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


@pytest.mark.parametrize("name", NAMES)
def test_an_export_is_replaced_only_by_force(name, tmp_path):
    out = tmp_path / "out"
    export(make_explanation(moving_maps()), name, out)
    before = digests(out)
    other = make_explanation(moving_maps()[:, ::-1].copy())
    with pytest.raises(OutputExistsError, match="exists") as caught:
        export_explanation(other, [name], out)
    assert "--force" in caught.value.hint
    assert digests(out) == before
    check(export(other, name, out, force=True), other, name)
    assert digests(out) != before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", NAMES)
def test_files_of_others_are_never_replaced(name, tmp_path):
    theirs = tmp_path / "out" / EXPORTERS.load(name).files[-1]
    theirs.mkdir(parents=True)
    (theirs / "thesis.txt").write_text("dear")
    with pytest.raises(OutputExistsError, match="not an export"):
        export_explanation(make_explanation(moving_maps()), [name], tmp_path / "out", force=True)
    assert [path.name for path in (tmp_path / "out").rglob("*.txt")] == ["thesis.txt"]


WITH_A_PACKAGE = ("coco", "parquet", "ytvis", "zarr")


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(WITH_A_PACKAGE)))
def test_other_exporters_need_no_package(name):
    assert (EXPORTERS.load(name).package, EXPORTERS.load(name).extra) == ("", "")


@pytest.mark.parametrize("name", WITH_A_PACKAGE)
def test_a_missing_package_is_an_error_before_anything_is_written(name, tmp_path, monkeypatch):
    exporter = EXPORTERS.load(name)
    monkeypatch.setitem(__import__("sys").modules, exporter.package, None)
    with pytest.raises(MissingDependencyError) as caught:
        export_explanation(make_explanation(moving_maps()), ["vtt", name], tmp_path / "out")
    assert caught.value.hint == f"pip install 'tam-video[{exporter.extra}]'"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_a_failed_write_leaves_nothing(name, tmp_path, monkeypatch):
    def full(*_args: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(ExportError, match="No space left"):
        export_explanation(make_explanation(moving_maps()), [name], tmp_path / "out")
    assert not list(tmp_path.iterdir())


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
