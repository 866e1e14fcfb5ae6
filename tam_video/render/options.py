"""`RenderOptions`: the look settings for the renderer."""

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
    """Validated settings for the look of the output. `LookSettings` describes the fields.

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
            raise ConfigError(
                "both a token and a word are selected", hint="select either a token or a word"
            )
        if chosen and self.layout in ("grid", "words"):
            raise ConfigError(
                f"layout {self.layout!r} shows all words, but one token or word is selected",
                hint="omit the token or word, or choose another layout",
            )

    @classmethod
    def of_run(cls, settings: RunConfig) -> Self:
        """Return the look settings from the settings of a run.

        Raises:
            ConfigError: settings contradict each other.
        """
        return cls(
            **{field.name: getattr(settings, field.name) for field in fields(LookSettings)},
            reader=settings.reader,
        )
