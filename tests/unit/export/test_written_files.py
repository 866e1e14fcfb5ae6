"""The text of every export, as stored in `tests/golden/exports`.

`PYTHONPATH=tests python tests/unit/export/test_written_files.py` writes these files again: read the
changes before you commit them. What a format's own reader makes of its file is in `tests/contract`.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from constructed import make_explanation, make_info

from tam_video.export.document import write_document
from tam_video.export.exporting import export_explanation
from tam_video.types import Candidate, Message

GOLDEN = Path(__file__).parents[2] / "golden" / "exports"
FORMATS = (
    *("ass", "coco", "csv", "cvat", "cvat-masks", "elan", "json", "labelstudio", "mot", "spans"),
    *("srt", "vtt", "ytvis"),
)


def explained():
    """A clip of 8 frames that starts late, and an answer whose first word is a function word.

    "red <b>" is seen in the slots 0 and 2, "star" in slot 2 and, lower, in slot 1; the second
    "star" is seen nowhere. The cells are 10 x 9 pixels.
    """
    maps = np.zeros((4, 3, 2, 4), np.float32)
    maps[0, 0, 0, 0] = 0.5
    maps[1, 0, 0, 1], maps[1, 0, 1, 1], maps[1, 2, 1, 3] = 1.0, 0.75, 0.875
    maps[2, 1, 1, 0], maps[2, 2, 0, 2] = 0.25, 0.5
    info = make_info(num_frames=8, width=40, height=18, start_seconds=2.0)
    info = replace(info, average_fps=Fraction(25, 2))
    one = make_explanation(maps, words=["The", "red <b>", "star", "star"], info=info)
    the, *words = one.words
    tokens = list(one.tokens)
    tokens[1] = replace(tokens[1], candidates=(Candidate(7, "red", 0.5), Candidate(8, "a", 0.25)))
    tokens[2] = replace(tokens[2], probability=None)
    turns = (Message("user", "Before?"), Message("assistant", "Yes."), Message("user", "What?"))
    return replace(
        one,
        conversation=turns,
        tokens=tuple(tokens),
        words=(replace(the, is_content=False), *words),
        inputs=(replace(one.inputs[0], fingerprint="5f"),),
        visual_reliance=np.array([0.25, np.nan, 0.33333, 1], np.float32),
        settings={"model": "tiny"},
        versions={"numpy": "2"},
        timings={"read": 0.123456},
        warnings=("a warning of the run",),
    )


def written(folder):
    """Return the text of every file in a folder, by its path there."""
    one, warnings = explained(), ["a warning of the source"]
    export_explanation(one, FORMATS, folder, keep="all", words="content", warnings=warnings)
    write_document(one, folder / "explanation.json")
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in paths}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return written(tmp_path_factory.mktemp("exports") / "out")


NAMES = sorted(path.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("*.*"))


def test_the_same_files_are_written(files):
    assert sorted(files) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_file_has_the_stored_text(files, name):
    assert files[name] == (GOLDEN / name).read_text("utf-8")


if __name__ == "__main__":
    import shutil

    shutil.rmtree(GOLDEN, ignore_errors=True)
    written(GOLDEN)
