import numpy as np
import reference_steps
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tam_video.tam.normalise import joint_min_max, scale_mask

VALUES = st.floats(0, 2.0**40, width=32)


def test_prompt_tokens_share_the_whole_prompt_and_answer_tokens_what_came_before():
    assert scale_mask(4, 2).astype(int).tolist() == [
        [1, 1, 0, 0],
        [1, 1, 0, 0],
        [1, 1, 0, 0],
        [1, 1, 1, 0],
    ]


@given(st.data(), st.integers(1, 5), st.integers(1, 6))
@settings(deadline=None, max_examples=30)
def test_scale_equals_reference_implementation(data, num_tokens, num_cells):
    maps = data.draw(hnp.arrays(np.float32, (num_tokens, num_cells), elements=VALUES))
    relevance = data.draw(hnp.arrays(np.float32, (num_tokens, num_tokens), elements=VALUES))
    num_prompt = data.draw(st.integers(0, num_tokens))

    got, texts = joint_min_max(maps, relevance, mask=scale_mask(num_tokens, num_prompt))

    assert got.dtype == texts.dtype == np.float32
    assert texts.min() >= 0
    assert texts.max() <= 1
    for m, cells in enumerate(maps.tolist()):
        shared = reference_steps.slow_shared_text(m, relevance.tolist(), num_prompt)
        np.testing.assert_allclose(got[m], reference_steps.slow_scale(cells, shared), atol=1e-6)


def test_equal_scores_give_zeros():
    maps, relevance = np.full((2, 3), 4, np.float32), np.full((2, 2), 4, np.float32)

    got, texts = joint_min_max(maps, relevance, mask=scale_mask(2, 1))

    assert not got.any()
    assert not texts.any()


def test_relevant_text_dims_the_map():
    maps, relevance = np.array([[0, 1], [0, 1]], np.float32), np.array([[0, 0], [4, 0]], np.float32)

    got, texts = joint_min_max(maps, relevance, mask=scale_mask(2, 1))

    assert got.tolist() == [[0, 1], [0, 0.25]]
    assert texts[1, 0] == 1
