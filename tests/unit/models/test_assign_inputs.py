"""Which turn shows which video or image."""

from __future__ import annotations

import pytest

from tam_video.errors import ConfigError
from tam_video.models.conversation import assign_inputs
from tam_video.types import Message


def shown(*inputs: tuple[int, ...], system: bool = False) -> list[Message]:
    """Turns that show these inputs, the user and the assistant one after the other."""
    turns = [Message("system", "Be brief.")] if system else []
    for place, numbers in enumerate(inputs):
        turns.append(Message("assistant" if place % 2 else "user", "x", numbers))
    return turns


@pytest.mark.parametrize("num_inputs", [0, 1, 3])
@pytest.mark.parametrize("system", [False, True])
def test_the_first_user_turn_shows_inputs_that_no_turn_names(num_inputs: int, system: bool) -> None:
    turns = shown((), (), (), system=system)
    result = assign_inputs(turns, num_inputs=num_inputs)
    assert [turn.inputs for turn in result] == [
        *[()] * system,
        tuple(range(num_inputs)),
        (),
        (),
    ]
    assert [(turn.role, turn.text) for turn in result] == [(t.role, t.text) for t in turns]
    assert all(turn.inputs == () for turn in turns)


def test_named_inputs_stay_where_they_are() -> None:
    turns = shown((0, 1), (), (), (), (2,), system=True)
    assert assign_inputs(turns, num_inputs=3) == tuple(turns)


@pytest.mark.parametrize(
    ("inputs", "num_inputs"),
    [
        ([(0,)], 2),
        ([(0, 1)], 1),
        ([(1, 0)], 2),
        ([(0, 0)], 2),
        ([(1,), (), (0,)], 2),
        ([(1,)], 1),
        ([(-1,)], 1),
    ],
)
def test_each_input_is_shown_once_in_order(inputs: list[tuple[int, ...]], num_inputs: int) -> None:
    with pytest.raises(ConfigError, match="refer to the inputs") as caught:
        assign_inputs(shown(*inputs), num_inputs=num_inputs)
    assert caught.value.hint


def test_only_the_user_shows_inputs() -> None:
    with pytest.raises(ConfigError, match="only a user turn"):
        assign_inputs(shown((0,), (1,), ()), num_inputs=2)
