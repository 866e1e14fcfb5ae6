import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from constructed import with_input

from tam_video.errors import OutputExistsError, RunFolderError
from tam_video.export.arrays import write_arrays
from tam_video.export.document import (
    read_explanation,
    to_document,
    with_verification,
    write_document,
)
from tam_video.types import (
    Candidate,
    ExplainedInput,
    Explanation,
    Message,
    Token,
    Verification,
    VideoInfo,
    View,
    VisualLayout,
    Word,
    WordVerification,
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
        inputs=(
            ExplainedInput(
                info=info,
                indices=np.array([0, 2]),
                pts_seconds=np.array([0.0, 0.0667]),
                layout=VisualLayout(1, 2, 3, ((0, 1),)),
                maps=rng.random((3, 1, 2, 3), np.float32),
                word_maps=rng.random((2, 1, 2, 3), np.float32),
                fingerprint="5f",
            ),
        ),
        conversation=(Message("user", "What?"),),
        answer="A 猫",
        tokens=tokens,
        words=(Word(0, "A", 0, 1, (1,), False), Word(1, "猫", 2, 3, (2,), True)),
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
    assert two.layout == one.layout
    assert two.conversation == one.conversation
    assert two.warnings == one.warnings
    np.testing.assert_allclose(two.maps, one.maps, atol=1e-3)
    np.testing.assert_allclose(two.word_maps, one.word_maps, atol=1e-3)
    np.testing.assert_array_equal(two.pts_seconds, one.pts_seconds)


def test_visual_reliance_reads_back_and_old_runs_have_none(tmp_path):
    one = make_explanation()
    assert Explanation.load(one.save(tmp_path / "old")).visual_reliance is None
    assert "visual_reliance" not in to_document(one)["words"][0]
    known = replace(one, visual_reliance=np.array([0.25, np.nan], np.float32))
    assert [row["visual_reliance"] for row in to_document(known)["words"]] == [0.25, None]
    two = Explanation.load(known.save(tmp_path / "new"))
    assert two.words == one.words
    np.testing.assert_array_equal(two.visual_reliance, known.visual_reliance)
    with pytest.raises(ValueError, match=r"\[N\]"):
        replace(one, visual_reliance=np.zeros(3, np.float32))


def test_a_causal_check_reads_back_and_can_be_added_to_a_run(tmp_path):
    one = make_explanation()
    check = Verification(
        (WordVerification(1, 0, 0.5, 0.1, (0.5, 0.4)), WordVerification(0, 0, 0.75)), 7, 3, ("odd",)
    )
    folder = replace(one, verification=check).save(tmp_path / "new")
    assert Explanation.load(folder).verification == check
    plain = one.save(tmp_path / "old")
    assert Explanation.load(plain).verification is None
    assert "verification" not in to_document(one)
    with_verification(plain / "explanation.json", plain / "explanation.json", check)
    assert read_explanation(plain).verification == check
    with pytest.raises(ValueError, match="N words"):
        replace(one, verification=Verification((WordVerification(2, 0, 0.5),), 1))


def several_inputs() -> Explanation:
    """A cropped clip first, then a padded image, then a clip with deduplicated cells."""
    one, rng = make_explanation(), np.random.default_rng(1)
    layouts = [
        VisualLayout(1, 2, 2, ((0,),), View(0.0, 0.0, 1.5, 1.0)),
        VisualLayout(2, 1, 3, ((0, 1), (2, 3)), View(), (4,)),
    ]
    others = []
    for number, layout in enumerate(layouts):
        times = np.arange(2.0 * layout.t)[: max(1, 4 * number)]
        others.append(
            ExplainedInput(
                info=replace(one.info, path=Path(f"/b/{number}.png"), is_image=not number),
                indices=times.astype(np.int64),
                pts_seconds=times,
                layout=layout,
                maps=rng.random((3, *layout.shape), np.float32),
                word_maps=rng.random((2, *layout.shape), np.float32),
            )
        )
    first = replace(one.layout, view=View(0.1, 0.0, 0.9, 1.0))
    turns = (
        Message("user", "What?", (0, 1)),
        Message("assistant", "x"),
        Message("user", "y", (2,)),
    )
    first_input = replace(one.inputs[0], layout=first)
    return replace(one, conversation=turns, inputs=(first_input, *others))


def test_several_inputs_read_back(tmp_path):
    one = several_inputs()
    one.save(tmp_path / "run")
    two = Explanation.load(tmp_path / "run")
    assert two.conversation == one.conversation
    assert len(two.inputs) == 3
    for got, wanted in zip(two.inputs, one.inputs, strict=True):
        assert (got.info, got.layout) == (wanted.info, wanted.layout)
        assert got.fingerprint == wanted.fingerprint
        np.testing.assert_array_equal(got.indices, wanted.indices)
        np.testing.assert_array_equal(got.pts_seconds, wanted.pts_seconds)
        np.testing.assert_allclose(got.maps, wanted.maps, atol=1e-3)
        np.testing.assert_allclose(got.word_maps, wanted.word_maps, atol=1e-3)
    with np.load(tmp_path / "run/maps.npz", allow_pickle=False) as stored:
        assert {"maps", "maps_1", "maps_2", "text_scores", "slot_seconds_2"} <= set(stored)
        assert "text_scores_1" not in stored


def test_a_version_1_document_is_read(tmp_path):
    one = make_explanation()
    one.save(tmp_path / "run")
    path = tmp_path / "run/explanation.json"
    document = json.loads(path.read_text())
    (row,) = document.pop("inputs")
    del row["fingerprint"], row["grid"]["view"], row["grid"]["deduplicated"]
    del document["conversation"][0]["inputs"], row["video"]["is_image"]
    path.write_text(json.dumps({**document, **row, "schema_version": 1}))
    two = Explanation.load(tmp_path / "run")
    assert two.inputs[0].fingerprint is None
    assert (two.layout, two.info, two.conversation) == (one.layout, one.info, one.conversation)


def test_document_has_the_documented_fields():
    document = json.loads(json.dumps(to_document(make_explanation()), allow_nan=False))
    assert document["schema_version"] == 2
    assert document["question"] == "What?"
    assert [token["word"] for token in document["tokens"]] == [None, 0, 1]
    assert document["tokens"][1]["candidates"] == [{"id": 12, "text": "A", "probability": 0.75}]
    assert document["inputs"][0]["frames"]["slot_seconds"] == pytest.approx([0.03335])


def test_arrays_are_float16_without_pickle(tmp_path):
    write_arrays(make_explanation(), tmp_path / "maps.npz")
    with np.load(tmp_path / "maps.npz", allow_pickle=False) as stored:
        assert stored["maps"].dtype == np.float16
        assert stored["indices"].dtype == np.int64


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"schema_version": 99}'])
def test_a_damaged_document_is_an_error(tmp_path, text):
    (tmp_path / "explanation.json").write_text(text)
    with pytest.raises(RunFolderError):
        read_explanation(tmp_path)


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(RunFolderError, match="not a finished run"):
        read_explanation(tmp_path / "none")


def test_save_and_load_write_and_read_a_run_folder(tmp_path):
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


def test_a_file_name_that_is_not_utf8_reads_back(tmp_path):
    name = Path(b"/clips/a\xff.mp4".decode(errors="surrogateescape"))
    one = make_explanation()
    explanation = with_input(one, info=replace(one.info, path=name))
    write_arrays(explanation, tmp_path / "maps.npz")
    write_document(explanation, tmp_path / "explanation.json")
    (tmp_path / "explanation.json").read_text(encoding="utf-8")  # the file itself is UTF-8
    assert read_explanation(tmp_path).info.path == name


@pytest.mark.parametrize(("version", "is_read"), [(0, False), (1, True), (2, True), (3, False)])
def test_two_schema_versions_are_read(tmp_path, version, is_read):
    one = make_explanation()
    one.save(tmp_path / "run")
    path = tmp_path / "run/explanation.json"
    document = json.loads(path.read_text())
    document["schema_version"] = version
    if version == 1:
        document |= document.pop("inputs")[0]
    path.write_text(json.dumps(document))
    if is_read:
        assert Explanation.load(tmp_path / "run").answer == one.answer
    else:
        with pytest.raises(RunFolderError, match=f"schema version {version} instead of 1 or 2"):
            Explanation.load(tmp_path / "run")


def test_reliance_is_measured_for_all_words_or_for_none(tmp_path):
    one = replace(make_explanation(), visual_reliance=np.array([0.25, 0.5], np.float32))
    one.save(tmp_path / "run")
    path = tmp_path / "run/explanation.json"
    document = json.loads(path.read_text())
    del document["words"][1]["visual_reliance"]
    path.write_text(json.dumps(document))
    assert Explanation.load(tmp_path / "run").visual_reliance is None


def test_pickled_objects_are_never_loaded(tmp_path):
    one = make_explanation()
    one.save(tmp_path / "run")
    path = tmp_path / "run" / "maps.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, **{**arrays, "maps": np.array([{}], dtype=object)})
    with pytest.raises(RunFolderError, match="allow_pickle"):
        read_explanation(tmp_path / "run")
