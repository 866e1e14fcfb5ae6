"""Array types, and the checks and the `repr` that the value classes share."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float32]
Float64Array: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
ByteArray: TypeAlias = NDArray[np.uint8]
BoolArray: TypeAlias = NDArray[np.bool_]


def check(condition: bool, message: str) -> None:
    """Raise `ValueError` with `message` if the condition is false."""
    if not condition:
        raise ValueError(message)


def describe(value: Any) -> str:
    """Return a `repr` with the dtype and shape of arrays: `Name(frames=uint8[8, 96, 128, 3])`."""
    parts = []
    for item in fields(value):
        field_value = getattr(value, item.name)
        is_array = isinstance(field_value, np.ndarray)
        shown = f"{field_value.dtype}{list(field_value.shape)}" if is_array else repr(field_value)
        parts.append(f"{item.name}={shown}")
    return f"{type(value).__name__}({', '.join(parts)})"
