"""`tam-video calibrate`: choose how the maps of a checkpoint are read, and judge them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from tam_video.cli.console import Console, with_console
from tam_video.cli.options import PATH, setting_options


@click.command("calibrate")
@setting_options("model")
@click.option(
    "--world",
    "worlds",
    multiple=True,
    metavar="NAME",
    help="Measure the clips of this world whether the model understands them or not: shapes, "
    "pictograms. May be repeated.  [default: the worlds that the model understands]",
)
@click.option(
    "--clips",
    "num_clips",
    type=click.IntRange(10),
    default=60,
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
@with_console
def calibrate_command(
    console: Console,
    worlds: tuple[str, ...],
    num_clips: int,
    seed: int,
    output: Any,
    **options: Any,
) -> None:
    """Calibrate a model on synthetic clips with known masks.

    Chooses the layers and steps with which the maps of this checkpoint find the objects, compares
    the choice with the built-in profile on held-out clips, and says whether the maps can be
    trusted. The profile and a page, calibration.html, are stored in the user's data folder. Nothing
    leaves the machine.
    """
    from tam_video.calibration.page import PAGE, write_page
    from tam_video.calibration.run import calibrate_model
    from tam_video.calibration.worlds import find_world
    from tam_video.config import make_config
    from tam_video.pipeline import load_model_from_config
    from tam_video.profiles.profile import write_profile
    from tam_video.profiles.store import store_profile

    for name in worlds:  # a wrong name fails before the model is loaded
        find_world(name)
    settings = {name: value for name, value in options.items() if value is not None}
    model = load_model_from_config(make_config(settings))
    with console.progress() as progress:
        done = calibrate_model(
            model, worlds=worlds, num_clips=num_clips, seed=seed, progress=progress
        )
    profile = done.profile
    path = store_profile(profile)
    page = write_page(profile, done.examples, path.with_suffix(".html"))
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        write_profile(profile, output / "profile.json")
        page = write_page(profile, done.examples, output / PAGE)
    kept = "built-in profile" if profile.is_built_in else f"layers {list(profile.layers)}"
    console.result(
        {**asdict(profile), "path": str(path), "page": str(page)},
        f"{profile.verdict.replace('-', ' ').upper()}: {profile.sentence}\n"
        f"Maps are read with the {kept}.\n{path}",
    )
