"""`tam-video evaluate reliance`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tam_video.cli.console import common_options, session
from tam_video.cli.evaluate_options import (
    given_values,
    measure,
    model_options,
    run_options,
    text_table,
    world_options,
)

if TYPE_CHECKING:
    from tam_video.evaluation.reliance_report import RelianceReport, RelianceSummary


@click.command("reliance")
@model_options
@world_options
@click.option("-n", "--clips", type=int, metavar="N", help="Clips of each world  [default: 50]")
@click.option("--threshold", type=float, help="Names below it are flagged  [default: 0.4]")
@run_options
@common_options
def reliance_command(
    output: Path,
    workers: int,
    force: bool,
    as_json: bool,
    verbose: int,
    quiet: bool,
    **options: Any,
) -> None:
    """Test visual reliance: does it find what a model made up, does it foretell blanking.

    Captions, answers about what is there and what is not, and true captions with one name exchanged
    are taken word by word. Worlds are by default base, distractors, low-contrast and occlusion. A
    folder of the same settings is gone on with: finished clips are kept.
    """
    with session(as_json=as_json, quiet=quiet, verbose=verbose) as console:
        from tam_video.evaluation.reliance import evaluate_reliance
        from tam_video.evaluation.reliance_settings import RelianceSettings
        from tam_video.evaluation.settings import checked_settings

        settings = checked_settings(given_values(options), RelianceSettings)
        done = measure(console, evaluate_reliance, settings, output, workers=workers, force=force)
        console.result(
            {**done.report.as_dict(), "output_dir": done.folder, "files": done.files},
            f"{reliance_tables(done.report)}\n{done.folder}",
        )


def reliance_tables(report: RelianceReport, *, width: int | None = None) -> str:
    """The figures as text, of all clips, and of each world where there are several.

    Args:
        report: what was found.
        width: characters of a line; those of the terminal by default.
    """
    columns = width or shutil.get_terminal_size((110, 24)).columns
    several = len(report.worlds) > 1
    parts = {"all worlds" if several else next(iter(report.worlds)): report.overall}
    parts |= report.worlds if several else {}
    threshold = report.settings.threshold
    return "\n".join(
        table
        for title, summary in parts.items()
        for table in _tables(title, summary, threshold, columns)
    )


def _tables(title: str, summary: RelianceSummary, threshold: float, columns: int) -> Iterator[str]:
    from tam_video.evaluation.reliance import flag_rows
    from tam_video.evaluation.reliance_report import CORRELATIONS
    from tam_video.evaluation.report import cell

    rows = list(flag_rows(summary))
    yield text_table(
        f"{title}: false names found by low values, AUC (chance 0.5)",
        ["names in", "names / false", "reliance", "probability", "blanking"],
        (row[:5] for row in rows),
        width=columns,
    )
    yield text_table(
        f"{title}: names flagged, reliance below {threshold:g}",
        ["names in", "precision ↑", "recall ↑", "true names flagged ↓"],
        ([row[0], *row[5:]] for row in rows),
        width=columns,
    )
    yield text_table(
        f"{title}: Spearman correlation of reliance with",
        ["", "correlation ↑"],
        ([CORRELATIONS[name], cell(value)] for name, value in summary.correlations.items()),
        width=columns,
    )
    yield text_table(
        f"{title}: calibration, error {_number(summary.calibration_error)}",
        ["reliance", "words", "mean reliance", "probability lost when blanked"],
        (
            [
                f"{each.low:.1f} to {each.high:.1f}",
                str(each.num_words),
                _number(each.reliance),
                _number(each.blanked),
            ]
            for each in summary.calibration
        ),
        width=columns,
    )
    counts = summary.answers
    yield (
        f"{title}: of what is there the model said yes to {counts['presence']['yes']} and no to "
        f"{counts['presence']['no']}; of what is not, yes to {counts['bait']['yes']} and no to "
        f"{counts['bait']['no']}"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
