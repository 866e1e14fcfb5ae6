"""`tam-video evaluate NAME --data DIR`: one command for each public set."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from tam_video.cli.console import common_options, session
from tam_video.cli.evaluate_options import asked_options, given_values, measure, run_options
from tam_video.cli.evaluate_tables import tables
from tam_video.cli.options import add_options
from tam_video.evaluation.sets import ABOUT, SETS

_OPTIONS = (
    click.option(
        "--data",
        type=click.Path(path_type=Path),
        metavar="DIR",
        required=True,
        help="Folder that you downloaded.",
    ),
    click.option(
        "--subsets", "worlds", metavar="A,B,...", help="Such as val  [default: the set's first]"
    ),
    asked_options,
    click.option("--metrics", metavar="A,B,...", help="[default: the set's own]"),
    click.option("-n", "--clips", type=int, metavar="N", help="At most, of each subset."),
    click.option("--seed", type=int, metavar="S", help="Which ones come first  [default: 0]"),
    click.option("--num-frames", type=int, metavar="N", help="Of a video, evenly spread."),
    click.option("--fps", type=float, help="Of frames that are stored as images."),
    click.option("--question", metavar="TEXT", help="Where the items ask none."),
    click.option("--steps", type=int, help="Of curves and flips  [default: 20]"),
    run_options,
    common_options,
)

_HELP = """Nothing is downloaded. Without its data the command tells where the set is published and
what the folder should hold; docs/evaluate.md tells more. A folder of the same settings is gone on
with: finished items are kept."""


def set_command(name: str) -> click.Command | None:
    """The command of a set; None where no set has this name."""
    if name not in SETS.names():
        return None
    about = ABOUT.get(name, f"The set {name} of a plug-in.")
    command = add_options(partial(_evaluate, name), _OPTIONS)
    return click.command(name, short_help=about, help=f"{about}\n\n{_HELP}")(command)


def _evaluate(
    name: str,
    /,
    *,
    output: Path,
    workers: int,
    force: bool,
    as_json: bool,
    verbose: int,
    quiet: bool,
    **options: Any,
) -> None:
    with session(as_json=as_json, quiet=quiet, verbose=verbose) as console:
        from tam_video.evaluation.run import evaluate
        from tam_video.evaluation.sets.measure import measure_item
        from tam_video.evaluation.sets.settings import make_set_settings

        settings = make_set_settings(name, given_values(options))
        done = measure(
            console,
            partial(evaluate, measure=measure_item),
            settings,
            output,
            workers=workers,
            force=force,
        )
        console.result(
            {**done.report.as_dict(), "output_dir": done.folder, "files": done.files},
            f"{tables(done.report)}\n{done.folder}",
        )
