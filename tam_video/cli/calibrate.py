"""`tam-video calibrate`: choose a profile for a checkpoint, and judge its maps."""

from __future__ import annotations

import math
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from tam_video.cli.console import Console, with_console
from tam_video.cli.options import PATH, setting_options

if TYPE_CHECKING:
    from tam_video.config import RunConfig
    from tam_video.types import Explanation

_NUM_CLIPS = 60
_ANSWERS = 4 * _NUM_CLIPS
"""About how many answers take as long as the clips of a world: four passes for each clip."""
_CHECKPOINT = ("revision", "dtype", "device", "device_map")  # settings that choose what is loaded


@click.command("calibrate")
@setting_options("model")
@click.option(
    "--world",
    "worlds",
    multiple=True,
    metavar="NAME",
    help="World of clips to measure, even if the model does not understand the clips: shapes, "
    "pictograms, signs, sizes, clutter, come-and-go, textured, context. May be repeated. auto: the "
    "worlds that the model understands.  [default: auto]",
)
@click.option(
    "--clips",
    "num_clips",
    type=click.IntRange(10),
    default=_NUM_CLIPS,
    help="Clips per world; 40 % of them are held out.  [default: 60]",
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of the clips.  [default: 0]")
@click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="DIR",
    help="Also write profile.json and calibration.html to this folder.",
)
@click.option(
    "--evidence",
    type=PATH,
    metavar="DIR",
    help="Keep what was measured on each clip in this folder, and use what is there.",
)
@with_console
def calibrate_command(
    console: Console,
    worlds: tuple[str, ...],
    num_clips: int,
    seed: int,
    output: Any,
    evidence: Any,
    **options: Any,
) -> None:
    """Calibrate a model on synthetic clips with known masks.

    Chooses the layers and steps with which the maps of this checkpoint find the objects, compares
    the choice with the built-in profile on held-out clips, and says whether the maps can be
    trusted. The profile and a page, calibration.html, are stored in the user's data folder. Nothing
    leaves the machine. A calibration that was stopped resumes with the same command.
    """
    from tam_video.calibration.calibrate import calibrate
    from tam_video.calibration.page import choice_sentence
    from tam_video.calibration.worlds import named_worlds
    from tam_video.config import make_config
    from tam_video.pipeline import load_model_from_config
    from tam_video.types import verdict_title

    worlds = named_worlds(worlds)  # a wrong name fails before the model is loaded
    settings = {name: value for name, value in options.items() if value is not None}
    model = load_model_from_config(make_config(settings))
    with console.progress() as progress:
        done = calibrate(
            model,
            worlds=worlds,
            num_clips=num_clips,
            seed=seed,
            output=output,
            evidence=evidence,
            progress=progress,
            notice=console.note,
        )
    profile = done.profile
    console.result(
        {**asdict(profile), "path": str(done.path), "page": str(done.page)},
        f"{verdict_title(profile.verdict)}: {profile.sentence}\n"
        f"{choice_sentence(profile)}\n{done.path}",
    )


def say_if_not_calibrated(console: Console, config: RunConfig, explanation: Explanation) -> None:
    """Say how to calibrate a model without a profile, and about how long it takes.

    The time is judged by that of the answer.
    """
    if config.profile != "auto" or config.method != "tam" or explanation.calibration is not None:
        return

    from tam_video.calibration.worlds import CALIBRATION_WORLDS

    seconds = explanation.timings.get("generate", 0.0)
    minutes = max(1, math.ceil(seconds * _ANSWERS * len(CALIBRATION_WORLDS) / 60))
    unit = "minute" if minutes == 1 else "minutes"
    values = {name: getattr(config, name) for name in _CHECKPOINT}
    flags = [
        f"--{name.replace('_', '-')} {shlex.quote(value)}"
        for name, value in values.items()
        if value not in (None, "auto") or (name == "device_map" and value is not None)
    ]
    command = " ".join(["tam-video calibrate -m", shlex.quote(config.model), *flags])
    console.note(f"not calibrated: {command} takes about {minutes} {unit}")
