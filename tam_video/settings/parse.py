"""Parse command-line text into values of settings."""

from __future__ import annotations

from typing import Literal

from tam_video.errors import ConfigError


def seconds(text: str) -> float:
    """Parse "12.5", "1:02" or "1:00:02.5" as seconds.

    Raises:
        ConfigError: not a time.
    """
    total = 0.0
    try:
        for part in text.strip().split(":"):
            total = total * 60 + float(part)
    except ValueError:
        raise ConfigError(
            f"{text!r} is not a time", hint="use seconds, MM:SS or HH:MM:SS"
        ) from None
    return total


def times(text: str) -> tuple[float, ...]:
    """Parse times separated by commas.

    Raises:
        ConfigError: one is not a time.
    """
    return tuple(seconds(part) for part in text.split(","))


def names(text: str) -> tuple[str, ...]:
    """Parse names separated by commas, without duplicates."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def word(text: str) -> int | str:
    """Parse a word: an index like "3", or the word itself."""
    return int(text) if text.isdigit() else text


def profile(text: str) -> str:
    """Return the name of a profile, or the path of its file, without surrounding spaces."""
    return text.strip()


def layer(text: str) -> int | float | Literal["auto", "input"]:
    """Parse a layer: an index like "-1", a fraction of the depth like "0.75", "input" or "auto".

    Raises:
        ConfigError: none of them.
    """
    if text == "input":
        return "input"
    if text == "auto":
        return "auto"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise ConfigError(
        f"{text!r} is not a layer",
        hint="use an index such as -1, a fraction such as 0.75, input, or auto",
    )
