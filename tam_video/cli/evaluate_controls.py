"""`tam-video evaluate controls`: what methods score that can't have seen the clip."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tam_video.cli.console import common_options, session
from tam_video.cli.evaluate_options import (
    asked_options,
    given_values,
    measure,
    run_options,
    text_table,
    world_options,
)

if TYPE_CHECKING:
    from tam_video.evaluation.controls_report import ControlReport, ControlSummary

_STAR = (
    "* above chance, which is what the same maps score against objects of other clips: the 95 % "
    "interval\n  of the difference on the same clips lies above 0"
)


@click.command(
    "controls",
    epilog="""\b
Parts:
  controls  another clip's frames, frames in random order, blank frames, a model of
            noise, and the true map smoothed over all of the time
  cascade   noise instead of more and more layers, from the top; Spearman correlation
            with the true map
  lds       whether the summed map of what random masks keep foretells how probable
            the words are
  flips     smallest deleted part that turns a yes or a no: AMCR, CSR@10""",
)
@asked_options
@click.option("--parts", metavar="A,B,...", help="Also lds, flips  [default: controls,cascade]")
@click.option(
    "--metrics",
    metavar="A,B,...",
    help="[default: auc,temporal_auc,viou,energy,pointing,coherence,tiou]",
)
@world_options
@click.option("-n", "--clips", type=int, metavar="N", help="Clips of each world  [default: 50]")
@click.option("--masks", type=int, help="Random masks of a clip, for lds  [default: 32]")
@click.option("--keep-share", type=float, help="What a random mask keeps  [default: 0.5]")
@click.option("--steps", type=int, help="Parts that are deleted in turn, for flips  [default: 20]")
@run_options
@common_options
def controls_command(
    output: Path,
    workers: int,
    force: bool,
    as_json: bool,
    verbose: int,
    quiet: bool,
    **options: Any,
) -> None:
    """Score maps that can't know the clip: they must fall to chance.

    A folder of the same settings is gone on with: finished clips are kept.
    """
    with session(as_json=as_json, quiet=quiet, verbose=verbose) as console:
        from tam_video.evaluation.controls import evaluate_controls
        from tam_video.evaluation.controls_settings import ControlSettings
        from tam_video.evaluation.settings import checked_settings

        settings = checked_settings(given_values(options), ControlSettings)
        done = measure(console, evaluate_controls, settings, output, workers=workers, force=force)
        console.result(
            {**done.report.as_dict(), "output_dir": done.folder, "files": done.files},
            f"{control_tables(done.report)}\n{done.folder}",
        )


def control_tables(report: ControlReport, *, width: int | None = None) -> str:
    """The figures as text, of all clips, and of each world where there are several.

    Args:
        report: what was found.
        width: characters of a line; those of the terminal by default.
    """
    columns = width or shutil.get_terminal_size((110, 24)).columns
    several = len(report.worlds) > 1
    parts = {"all worlds" if several else next(iter(report.worlds)): report.overall}
    parts |= report.worlds if several else {}
    return "\n".join(
        table
        for title, summary in parts.items()
        for table in _tables(title, summary, report, columns)
    )


def _tables(
    title: str, summary: ControlSummary, report: ControlReport, columns: int
) -> Iterator[str]:
    from tam_video.evaluation.controls_output import (
        chance_text,
        control_rows,
        control_title,
        flip_rows,
        lds_rows,
    )
    from tam_video.evaluation.controls_settings import SPEARMAN
    from tam_video.evaluation.flips import GROUPS

    settings = report.settings
    for metric in (*settings.metrics, SPEARMAN) if settings.sources else ():
        about = "" if metric == SPEARMAN else f"; {chance_text(summary, metric)}"
        yield text_table(
            f"{title}: {control_title(metric)}{about}",
            ["maps from", *settings.methods],
            control_rows(summary, metric, settings),
            width=columns,
        )
    if settings.sources:
        yield _STAR
    if summary.lds:
        yield text_table(
            f"{title}: linear datamodeling score; chance 0",
            ["method", "LDS ↑"],
            lds_rows(summary),
            width=columns,
        )
    for group, about in GROUPS.items() if summary.flips else ():
        rows = list(flip_rows(summary, group))
        if not rows:
            yield f"{title}: {group} ({about}): no such answer"
            continue
        yield text_table(
            f"{title}: {group} ({about}), smallest deleted part that turns it",
            ["method", "AMCR ↓", "CSR@10 ↑", "answers"],
            rows,
            width=columns,
        )
