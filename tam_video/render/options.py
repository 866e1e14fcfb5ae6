"""`RenderOptions`: the look settings as the renderer takes them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

from tam_video.errors import ConfigError
from tam_video.settings.declare import check_values
from tam_video.settings.groups import LookSettings

if TYPE_CHECKING:
    from tam_video.config import RunConfig


@dataclass(frozen=True)
class RenderOptions(LookSettings):
    """The fields of `LookSettings`, checked.

    Attributes:
        reader: name of the video reader.
        caption: draw the bar below the video, in layouts with one view.
    """

    reader: str = "pyav"
    caption: bool = True

    def __post_init__(self) -> None:
        check_values(self)
        chosen = (self.show_token is not None) + (self.show_word is not None)
        if chosen > 1:
            raise ConfigError("a token and a word were chosen", hint="choose one of them")
        if chosen and self.layout in ("grid", "words"):
            raise ConfigError(
                f"layout {self.layout!r} shows every word", hint="leave the token or word out"
            )

    @classmethod
    def of_run(cls, settings: RunConfig) -> Self:
        """Return the look of a run's settings.

        Raises:
            ConfigError: settings contradict each other.
        """
        return cls(
            **{field.name: getattr(settings, field.name) for field in fields(LookSettings)},
            reader=settings.reader,
        )
