import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tam_video.errors import OutputExistsError, RunFolderError
from tam_video.export.arrays import write_arrays
from tam_video.export.document import read_explanation, to_document, write_document
from tam_video.types import (
    Candidate,
    Explanation,
    Message,
    Token,
    TokenGrid,
    VideoInfo,
    Word,
)


def make_explanation() -> Explanation:
    rng = np.random.default_rng(0)
    info = VideoInfo(
        path=Path("/a/ünï 视频.mp4"),
        num_frames=4,
        width=64,
        height=48,
        average_fps=Fraction(30000, 1001),
        duration_seconds=0.133,
        sample_aspect_ratio=Fraction(4, 3),
    )
    tokens = (
        Token(0, 11, "What", "prompt", 5, 0, 4),
        Token(1, 12, "A", "answer", 6, 0, 1, 0.75, (Candidate(12, "A", 0.75),)),
        Token(2, 13, " 猫", "answer", 7, 1, 3, 0.5, (Candidate(13, " 猫", 0.5),)),
    )
    return Explanation(
        info=info,
        indices=np.array([0, 2]),
        pts_seconds=np.array([0.0, 0.0667]),
        conversation=(Message("user", "What?"),),
        answer="A 猫",
        tokens=tokens,
        words=(Word(0, "A", 0, 1, (1,), False), Word(1, "猫", 2, 3, (2,), True)),
        grid=TokenGrid(1, 2, 3, ((0, 1),)),
        maps=rng.random((3, 1, 2, 3), np.float32),
        word_maps=rng.random((2, 1, 2, 3), np.float32),
        text_scores=rng.random((3, 3), np.float32),
        settings={"model": "tiny"},
        versions={"numpy": "2"},
        timings={"read": 0.1},
        warnings=("sequential reading",),
    )


def test_saved_explanation_reads_back(tmp_path):
    one = make_explanation()
    write_arrays(one, tmp_path / "maps.npz")
    write_document(one, tmp_path / "explanation.json")
    two = read_explanation(tmp_path)
    assert two.info == one.info
    assert two.tokens == one.tokens
    assert two.words == one.words
    assert two.grid == one.grid
    assert two.conversation == one.conversation
    assert two.warnings == one.warnings
    np.testing.assert_allclose(two.maps, one.maps, atol=1e-3)
    np.testing.assert_allclose(two.word_maps, one.word_maps, atol=1e-3)
    np.testing.assert_array_equal(two.pts_seconds, one.pts_seconds)


def test_document_has_what_the_format_promises():
    document = to_document(make_explanation())
    assert document["schema_version"] == 1
    assert document["question"] == "What?"
    assert [token["word"] for token in document["tokens"]] == [None, 0, 1]
    assert document["tokens"][1]["candidates"] == [{"id": 12, "text": "A", "probability": 0.75}]
    assert document["frames"]["slot_seconds"] == pytest.approx([0.03335])
    json.dumps(document, allow_nan=False)


def test_arrays_are_halves_without_pickle(tmp_path):
    write_arrays(make_explanation(), tmp_path / "maps.npz")
    with np.load(tmp_path / "maps.npz", allow_pickle=False) as stored:
        assert stored["maps"].dtype == np.float16
        assert stored["indices"].dtype == np.int64


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"schema_version": 99}'])
def test_damaged_document_is_told(tmp_path, text):
    (tmp_path / "explanation.json").write_text(text)
    with pytest.raises(RunFolderError):
        read_explanation(tmp_path)


def test_missing_folder_is_told(tmp_path):
    with pytest.raises(RunFolderError, match="not a finished run"):
        read_explanation(tmp_path / "none")


def test_save_and_load_are_doors_to_the_run_folder(tmp_path):
    one = make_explanation()
    assert one.save(tmp_path / "run") == tmp_path / "run"
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "explanation.json",
        "manifest.json",
        "maps.npz",
    ]
    assert Explanation.load(tmp_path / "run").answer == one.answer
    with pytest.raises(OutputExistsError):
        one.save(tmp_path / "run")
    (tmp_path / "run/manifest.json").unlink()
    with pytest.raises(RunFolderError, match="not a finished run"):
        Explanation.load(tmp_path / "run")
