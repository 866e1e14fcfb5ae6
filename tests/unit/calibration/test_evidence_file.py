"""Files with the evidence of a clip."""

from pathlib import Path

import numpy as np
import pytest
from made_evidence import make_evidence

from tam_video.calibration.evidence_file import StoredScores, evidence_bytes, read_evidence


@pytest.mark.parametrize("has_sinks", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_evidence_is_the_same_after_it_was_in_a_file(
    seed: int, has_sinks: bool, tmp_path: Path
) -> None:
    evidence = make_evidence(seed, has_sinks=has_sinks)
    path = tmp_path / "clip.npz"
    path.write_bytes(evidence_bytes(evidence))
    stored = read_evidence(path)
    assert stored.scores == StoredScores(path, 3)
    for number, table in enumerate(evidence.scores):
        np.testing.assert_array_equal(stored.scores[number], table)
        assert stored.scores[number].dtype == np.float32
    assert evidence_bytes(stored) == evidence_bytes(evidence)
    for name in ("world", "number", "answers"):
        assert getattr(stored, name) == getattr(evidence, name)
    assert list(stored.layout.layouts) == list(evidence.layout.layouts)
    assert stored.layout.token_strings == evidence.layout.token_strings
    assert stored.truth.function_words == evidence.truth.function_words
    assert stored.truth.frame_slots == evidence.truth.frame_slots
    for one, other in zip(stored.truth.objects, evidence.truth.objects, strict=True):
        np.testing.assert_array_equal(one.cells, other.cells)
        assert (one.token_indices, one.words) == (other.token_indices, other.words)
    if has_sinks:
        np.testing.assert_array_equal(stored.sinks, evidence.sinks)
    else:
        assert stored.sinks is None


def test_layers_are_indexed_like_a_tuple(tmp_path: Path) -> None:
    evidence = make_evidence(0)
    path = tmp_path / "clip.npz"
    path.write_bytes(evidence_bytes(evidence))
    scores = read_evidence(path).scores
    np.testing.assert_array_equal(scores[-1], evidence.scores[2])
    np.testing.assert_array_equal(np.stack(scores[1:]), np.stack(evidence.scores[1:]))
    assert len(list(scores)) == len(scores) == 3
    with pytest.raises(IndexError):
        scores[3]
