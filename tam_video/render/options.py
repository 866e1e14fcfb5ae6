"""How annotated clips and pictures look: one checked, frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from tam_video.errors import ConfigError, UnknownNameError
from tam_video.render.overlay import COLORMAPS
from tam_video.video.encoders import ENCODER_NAMES, SPEED_PRESETS

Layout: TypeAlias = Literal["overlay", "side", "grid", "words", "compare"]

LAYOUTS = ("overlay", "side", "grid", "words", "compare")
TILES = ("words", "tokens")
PREVIEWS = ("gif", "webp")
STILLS = ("png", "pdf", "svg")


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How an annotated clip looks, and what is written beside it.

    Attributes:
        layout: "overlay": heat on the picture, the content words take turns over one pass of the
            clip; "side": the picture beside the same with heat; "grid": one tile for each content
            word, all at once; "words": one whole pass of the clip, and a chapter, for each content
            word, without sound; "compare": several runs on one clock.
        tiles: what a grid has tiles of: "words" or "tokens" of the answer.
        colormap: turbo, inferno, cividis, viridis or jet.
        opacity: share of colour where the map is 1, in [0, 1].
        threshold: heat below this is not drawn, in [0, 1).
        contours: draw a line around the heat, at the threshold, or at 0.5 where there is none.
        boxes: draw the box of the word's track (see `tam_video.localise`).
        token: show this one of the M text tokens for the whole clip.
        word: show this word (index or text) for the whole clip.
        crf: x264 quality, 0 to 51.
        speed_preset: x264 speed preset, "ultrafast" to "slower".
        encoder: "x264", "auto" for a graphics card's where one works, or a card's: "nvenc", "qsv",
            "amf".
        font: font file or name that comes before the shipped ones.
        reader: name of the video reader.
        caption: whether the bar under the picture is drawn, in layouts of one picture.
        previews: short animations to write: "gif", "webp".
        stills: contact sheets (words x slots) to write: "png", "pdf", "svg".
    """

    layout: Layout = "overlay"
    tiles: Literal["words", "tokens"] = "words"
    colormap: str = "turbo"
    opacity: float = 0.6
    threshold: float = 0.0
    contours: bool = False
    boxes: bool = False
    token: int | None = None
    word: int | str | None = None
    crf: int = 18
    speed_preset: str = "veryfast"
    encoder: str = "x264"
    font: str | None = None
    reader: str = "pyav"
    caption: bool = True
    previews: tuple[str, ...] = ()
    stills: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_name("layout", self.layout, LAYOUTS)
        _check_name("tiles", self.tiles, TILES)
        _check_name("colormap", self.colormap, COLORMAPS)
        _check_name("speed preset", self.speed_preset, SPEED_PRESETS)
        _check_name("encoder", self.encoder, ENCODER_NAMES)
        for name in self.previews:
            _check_name("preview", name, PREVIEWS)
        for name in self.stills:
            _check_name("kind of stills", name, STILLS)
        if not 0 <= self.opacity <= 1:
            raise ConfigError(f"opacity {self.opacity} is not in 0..1", hint="try 0.6")
        if not 0 <= self.threshold < 1:
            raise ConfigError(f"threshold {self.threshold} is not in 0..1", hint="try 0.3")
        if not 0 <= self.crf <= 51:
            raise ConfigError(f"crf {self.crf} is not in 0..51", hint="18 looks like the source")
        chosen = (self.token is not None) + (self.word is not None)
        if chosen > 1:
            raise ConfigError("a token and a word were chosen", hint="choose one of them")
        if chosen and self.layout in ("grid", "words"):
            raise ConfigError(
                f"layout {self.layout!r} shows every word", hint="leave the token or word out"
            )

    @property
    def contour_level(self) -> float:
        """The heat at which a contour is drawn."""
        return self.threshold or 0.5


def _check_name(kind: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise UnknownNameError(kind, name, known)
