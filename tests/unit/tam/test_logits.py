import numpy as np
import reference_steps

from tam_video.tam.logits import token_relevance

CASE = reference_steps.random_case(0)


def test_raw_maps_are_clipped_scores_by_token():
    got = token_relevance(CASE.scores, CASE.visual_positions)

    assert got.dtype == np.float32
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(
        got, reference_steps.slow_relevance(CASE.scores, CASE.visual_positions)
    )


def test_text_relevance_has_explained_token_in_rows():
    got = token_relevance(CASE.scores, CASE.text_positions)

    assert got[4, 1] == max(0, CASE.scores[CASE.text_positions[1], 4])
    np.testing.assert_array_equal(
        got, reference_steps.slow_relevance(CASE.scores, CASE.text_positions)
    )
