import dataclasses
import math
import time

import numpy as np
import pytest
import reference_steps
from hypothesis import given, settings
from hypothesis import strategies as st

import tam_video.tam
from tam_video.errors import TokenAlignmentError
from tam_video.tam import input_activation_maps, token_activation_maps
from tam_video.tam.activation import SequenceLayout
from tam_video.types import VisualLayout

GRIDS = st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5))


def explain(case, *, profile="published"):
    return token_activation_maps(case.scores, profile=profile, **case.arguments)


@st.composite
def cases(draw, min_prompt=0):
    case = reference_steps.random_case(
        draw(st.integers(0, 10_000)),
        grid=draw(GRIDS),
        num_prompt=draw(st.integers(min_prompt, 3)),
        num_answer=draw(st.integers(1, 4)),
        words=draw(st.integers(1, 6)),
        system=draw(st.integers(0, 3)),
    )
    hit = st.lists(st.integers(0, len(case.token_strings) - 1), max_size=3)
    case.scores[:, draw(hit)] = -1
    case.scores[:, draw(hit)] = 2
    return case


@given(cases())
@settings(deadline=None, max_examples=25)
def test_default_profile_equals_reference_implementation(case):
    got = explain(case)

    raw, corrected, maps = reference_steps.slow_maps(case)
    np.testing.assert_array_equal(got.raw, raw.astype(np.float32))
    np.testing.assert_allclose(got.corrected, corrected, atol=1e-5)
    # Where a context equals its map, what is left is noise: its windows may take either end.
    noise = corrected.max(axis=1) < 1e-5
    np.testing.assert_allclose(got.maps[~noise], maps[~noise], atol=2e-5)


@given(cases(), st.sampled_from(["published", "reference"]))
@settings(deadline=None, max_examples=25)
def test_everything_is_finite_and_in_range(case, profile):
    got = explain(case, profile=profile)

    assert got.maps.shape == (len(case.token_strings), *case.grid)
    for values in (got.raw, got.corrected, got.maps, got.text_scores):
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
        assert values.min() >= 0
    assert max(got.maps.max(), got.text_scores.max()) <= 1


@given(cases(min_prompt=1), st.integers(-8, 8))
@settings(deadline=None, max_examples=25)
def test_scale_of_scores_does_not_matter(case, power):
    scaled = dataclasses.replace(case, scores=case.scores * np.float32(2.0**power))

    np.testing.assert_allclose(explain(scaled).maps, explain(case).maps, atol=1e-5)


@given(cases(), st.data())
@settings(deadline=None, max_examples=25)
def test_later_tokens_never_change_an_earlier_answer_token(case, data):
    first = case.num_prompt_tokens
    kept = data.draw(st.integers(first, len(case.token_strings) - 1))
    changed = dataclasses.replace(case, scores=case.scores.copy())
    rng = np.random.default_rng(0)
    later = changed.scores[:, kept + 1 :]
    later[...] = rng.normal(size=later.shape) * 5
    rows = changed.scores[case.text_positions[kept] + 1 :]
    rows[...] = rng.normal(size=rows.shape) * 5

    got, expected = explain(changed), explain(case)

    for name in ("raw", "corrected", "maps", "text_scores"):
        np.testing.assert_array_equal(
            getattr(got, name)[first : kept + 1], getattr(expected, name)[first : kept + 1]
        )


def test_context_takes_what_it_explains_out_of_a_map():
    case = reference_steps.random_case(5, grid=(1, 6, 6), num_prompt=1, num_answer=1, words=1)
    plane = np.zeros((6, 6), np.float32)
    plane[:3, :3] = 4
    both = plane.copy()
    both[3:, 3:] = 2
    case.scores[case.visual_positions] = np.stack([plane.ravel(), both.ravel()], axis=1)
    case.scores[case.text_positions] = 1

    alone = explain(case)  # the same string twice: nobody is context
    corrected = explain(dataclasses.replace(case, token_strings=["a", "b"]))

    np.testing.assert_array_equal(alone.corrected, alone.raw)
    assert corrected.maps[1, 0, :2, :2].max() < 0.01
    assert corrected.maps[1, 0, 4:, 4:].min() == 1


def test_profiles_differ_in_constant_windows_alone():
    case = reference_steps.random_case(8)
    case.scores[case.visual_positions, 0] = 3
    case.scores[case.text_positions, 0] = 0

    default, reference = explain(case), explain(case, profile="reference")

    assert (default.maps[0] == 1).all()
    assert not reference.maps[0].any()
    np.testing.assert_allclose(default.maps[1:], reference.maps[1:], atol=1e-6)


def test_equal_scores_give_zeros():
    case = reference_steps.random_case(8)
    case.scores[...] = 7

    assert not explain(case).maps.any()


def test_text_scores_cover_earlier_tokens_only():
    got = explain(reference_steps.random_case(2))

    assert not np.triu(got.text_scores).any()
    assert got.text_scores[-1].any()


def test_grid_may_be_a_layout():
    case = reference_steps.random_case(4)
    grid = VisualLayout(*case.grid, frame_slots=((0, 1), (2, 3)))

    got = explain(dataclasses.replace(case, grid=grid))

    np.testing.assert_array_equal(got.maps, explain(case).maps)


def explain_inputs(case, layouts):
    arguments = {name: value for name, value in case.arguments.items() if name != "grid"}
    return input_activation_maps((case.scores,), SequenceLayout(layouts=layouts, **arguments))


def layout_of(t, h, w):
    return VisualLayout(t, h, w, tuple((slot,) for slot in range(t)))


def test_inputs_are_corrected_together_and_cut_apart():
    case = reference_steps.random_case(6, grid=(3, 4, 5))

    first, second = explain_inputs(case, [layout_of(1, 4, 5), layout_of(2, 4, 5)])

    whole = explain(case)
    np.testing.assert_array_equal(np.concatenate([first.raw, second.raw], axis=1), whole.raw)
    np.testing.assert_array_equal(np.concatenate([first.maps, second.maps], axis=1), whole.maps)
    np.testing.assert_array_equal(first.text_scores, second.text_scores)


def test_inputs_may_differ_in_shape():
    case = reference_steps.random_case(6, grid=(1, 1, 41))

    inputs = explain_inputs(case, [layout_of(2, 3, 4), layout_of(1, 2, 5), layout_of(1, 1, 7)])

    assert [each.maps.shape[1:] for each in inputs] == [(2, 3, 4), (1, 2, 5), (1, 1, 7)]


def test_deduplicated_cells_may_repeat_a_position():
    case = reference_steps.random_case(4)
    case.visual_positions[25] = case.visual_positions[5]
    layout = VisualLayout(*case.grid, frame_slots=((0,), (1,)), deduplicated=(25,))

    got = explain(dataclasses.replace(case, grid=layout))

    np.testing.assert_array_equal(got.raw[:, 25], got.raw[:, 5])


def test_visual_positions_need_not_be_contiguous():
    case = reference_steps.random_case(4)
    order = np.random.default_rng(0).permutation(len(case.scores))
    moved = dataclasses.replace(
        case,
        scores=case.scores[order],
        visual_positions=np.argsort(order)[case.visual_positions],
        text_positions=np.argsort(order)[case.text_positions],
    )

    np.testing.assert_array_equal(explain(moved).maps, explain(case).maps)


def test_no_text_gives_no_maps():
    case = reference_steps.random_case(4, num_prompt=0, num_answer=0)

    assert explain(case).maps.shape == (0, *case.grid)


def test_masked_logit_is_no_evidence():
    case = reference_steps.random_case(4)
    case.scores[case.visual_positions[0], 3] = -np.inf

    assert explain(case).raw[3, 0] == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["visual_positions", "text_positions"])
def test_score_that_is_not_finite_is_refused(bad, where):
    case = reference_steps.random_case(4)
    case.scores[getattr(case, where)[1], 2] = bad

    with pytest.raises(ValueError, match="finite"):
        explain(case)


def test_score_at_an_unused_position_is_ignored():
    case = reference_steps.random_case(4)
    case.scores[0] = np.nan

    assert np.isfinite(explain(case).maps).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": np.zeros((60, 3), np.float32)}, "3 text tokens, but there are 7"),
        ({"scores": np.zeros(60, np.float32)}, "float"),
        ({"scores": np.zeros((60, 7), np.int64)}, "float"),
        ({"text_positions": np.arange(6)}, "6 text positions"),
        ({"text_positions": np.arange(7) - 1}, "text_positions must be at least 0"),
        ({"text_positions": np.arange(7) + 1000}, "text_positions must be in"),
        ({"text_positions": np.arange(7.0)}, "int64"),
        ({"visual_positions": np.arange(40).reshape(2, 20)}, "1-D"),
        ({"visual_positions": np.arange(40) + 50}, "visual_positions must be in"),
        ({"token_strings": ["a"]}, "7 text positions, but 1 token strings"),
        ({"num_prompt_tokens": 8}, "num_prompt_tokens"),
        ({"num_prompt_tokens": -1}, "num_prompt_tokens"),
        ({"grid": (8, 5)}, "grid"),
        ({"grid": (0, 4, 5)}, "grid"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        explain(dataclasses.replace(reference_steps.random_case(1), **change))


def test_unknown_profile_is_refused():
    with pytest.raises(ValueError, match="profile"):
        explain(reference_steps.random_case(1), profile="paper")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grid": (2, 4, 4)}, "40 visual tokens do not fill a grid of 2 x 4 x 4"),
        ({"visual_positions": np.zeros(40, np.int64)}, "twice"),
    ],
)
def test_cells_that_do_not_add_up_are_refused(change, message):
    with pytest.raises(TokenAlignmentError, match=message) as caught:
        explain(dataclasses.replace(reference_steps.random_case(1), **change))

    assert caught.value.hint


def test_no_public_entry_takes_a_single_token():
    assert set(tam_video.tam.__all__) == {
        "input_activation_maps",
        "join_words",
        "rank_gaussian_filter",
        "token_activation_maps",
        "word_maps",
    }


@pytest.mark.parametrize("profile", ["published", "reference"])
def test_long_video_answer_takes_under_a_second(profile):
    case = reference_steps.random_case(0, grid=(8, 14, 26), num_prompt=12, num_answer=32, words=30)
    assert math.prod(case.grid) == 2912
    explain(case, profile=profile)

    start = time.process_time()
    explain(case, profile=profile)

    assert time.process_time() - start < 1
