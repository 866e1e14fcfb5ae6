"""Keep the visual features of a clip for the next question about the same clip."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import update_wrapper
from typing import Any

_FEATURES = ("get_video_features", "get_image_features")
"""Methods of transformers' models that compute visual tokens, independent of the text."""


class _Cached:
    """A function of tensors that caches its last result."""

    def __init__(self, function: Callable[..., Any]) -> None:
        update_wrapper(self, function)  # transformers inspects the names of its arguments
        self._function = function
        self._signature = inspect.signature(function)
        self._last: tuple[object, Any] | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        import torch

        if torch.is_grad_enabled():  # a cached result would have no graph
            return self._function(*args, **kwargs)
        # transformers passes the same arguments by position in one place and by name in another.
        arguments, last = self._signature.bind(*args, **kwargs).arguments, self._last
        if last is not None and _is_same(last[0], arguments):
            return last[1]
        self._last = None  # never keep the features of two clips
        result = self._function(*args, **kwargs)
        self._last = (arguments, result)
        return result

    def clear(self) -> None:
        """Empty the cache."""
        self._last = None


@contextmanager
def shared_vision(model: Any) -> Iterator[Callable[[], None]]:
    """Inside the block, run the vision tower only once for consecutive calls with the same frames.

    Frames are the same if all inputs of the tower are equal. Results are the same tensor objects.
    The weights must not change. A family without methods of these names is not cached.

    Yields:
        A function that empties the cache.
    """
    cached = [
        (module, name, _Cached(getattr(module, name)))
        for module in model.modules()
        for name in _FEATURES
        if hasattr(module, name)
    ]
    for module, name, function in cached:
        setattr(module, name, function)

    def clear() -> None:
        for _, _, function in cached:
            function.clear()

    try:
        yield clear
    finally:
        for module, name, _ in cached:
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
