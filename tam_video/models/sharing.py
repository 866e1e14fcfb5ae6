"""What a vision tower made of a clip, kept for the next question on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import update_wrapper
from typing import Any

_FEATURES = ("get_video_features", "get_image_features")
"""What transformers' families call to get visual tokens, before text comes in."""


class _Remembered:
    """A function of tensors that is not run again for the arguments of its last call."""

    def __init__(self, function: Callable[..., Any]) -> None:
        update_wrapper(self, function)  # transformers looks at its arguments' names
        self._function = function
        self._last: tuple[object, Any] | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        import torch

        if torch.is_grad_enabled():  # a kept result would cut the graph off
            return self._function(*args, **kwargs)
        given, last = (args, kwargs), self._last
        if last is not None and _is_same(last[0], given):
            return last[1]
        self._last = None  # two clips' features are never held at once
        result = self._function(*args, **kwargs)
        self._last = (given, result)
        return result

    def forget(self) -> None:
        """Hold nothing."""
        self._last = None


@contextmanager
def shared_vision(model: Any) -> Iterator[Callable[[], None]]:
    """Run the vision tower once for calls in a row with the same pictures, while the block runs.

    Pictures are the same if every value that the tower is given is. Results are the very tensors
    that it made. A family that does not go by transformers' names is run as ever.

    Args:
        model: a transformers generation model, whose weights stay as they are.

    Yields:
        A function that lets go of what is kept.
    """
    remembered = [
        (module, name, _Remembered(getattr(module, name)))
        for module in model.modules()
        for name in _FEATURES
        if hasattr(module, name)
    ]
    for module, name, function in remembered:
        setattr(module, name, function)

    def forget() -> None:
        for _, _, function in remembered:
            function.forget()

    try:
        yield forget
    finally:
        for module, name, _ in remembered:
            delattr(module, name)


def _is_same(one: object, other: object) -> bool:
    import torch

    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one is other or (
            one.dtype == other.dtype and one.device == other.device and torch.equal(one, other)
        )
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return bool(one == other)
