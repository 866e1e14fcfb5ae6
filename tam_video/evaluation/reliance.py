"""Clips to the report on visual reliance: is what is said without evidence wrong more often.

Each part is in a module of its own: settings, one clip, and the report. Truth is the clip's own
description; what a word owes to the pixels is measured by blanking them.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path

from tam_video.evaluation.plots import bar_chart
from tam_video.evaluation.reliance_clip import measure_reliance
from tam_video.evaluation.reliance_report import (
    RelianceReport,
    RelianceSummary,
    make_reliance_report,
)
from tam_video.evaluation.reliance_settings import SCORES, RelianceSettings
from tam_video.evaluation.report import cell
from tam_video.evaluation.run import Evaluation, Files, evaluated, write_results
from tam_video.metrics import Interval
from tam_video.stages import StepProgress


def evaluate_reliance(
    settings: RelianceSettings,
    folder: str | Path,
    *,
    workers: int = 1,
    force: bool = False,
    progress: StepProgress | None = None,
) -> Evaluation[RelianceReport]:
    """Measure the clips that are missing in a folder, then write the report.

    Args:
        settings: what is measured.
        folder: as for `run.evaluate`.
        workers: processes.
        force: start over in a folder with an evaluation.
        progress: called after every clip.

    Raises:
        TamVideoError: as `run.evaluate`.
    """
    return evaluated(
        measure_reliance,
        settings,
        folder,
        make_reliance_report,
        _write,
        workers=workers,
        force=force,
        progress=progress,
    )


def _write(report: RelianceReport, folder: Path) -> Files:
    document = json.dumps(report.as_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return write_results(folder, document, table=reliance_csv(report), plots=reliance_plots(report))


def reliance_csv(report: RelianceReport) -> str:
    """results.csv: one line per world ("all" for all of them), group and figure."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["world", "group", "figure", "mean", "low", "high", "n"])
    for world, summary in (("all", report.overall), *report.worlds.items()):
        for group, figure, interval in _figures(summary):
            writer.writerow([world, group, figure, *_cells(interval)])
    return text.getvalue()


def reliance_plots(report: RelianceReport) -> dict[str, str]:
    """File names and SVG texts: what finds false names, and correlations with blanking."""
    flags = report.overall.flags["said"]
    return {
        "auc.svg": bar_chart("AUC for false names", {name: flags.auc[name] for name in SCORES}),
        "correlations.svg": bar_chart(
            "Spearman correlation with what blanking takes", report.overall.correlations
        ),
    }


def flag_rows(summary: RelianceSummary) -> Iterator[list[str]]:
    """Rows of a table: a group, its names, its false names, AUC of each score, and the flags."""
    for group, figure in summary.flags.items():
        intervals = (*figure.auc.values(), figure.precision, figure.recall, figure.false_alarms)
        yield [group, f"{figure.num_words} / {figure.num_false}", *map(cell, intervals)]


def _cells(interval: Interval) -> list[float | str]:
    """Mean, low, high and n; empty where not defined."""
    return ["" if math.isnan(value) else value for value in interval.as_dict().values()]


def _figures(summary: RelianceSummary) -> Iterator[tuple[str, str, Interval]]:
    for group, figure in summary.flags.items():
        for score, interval in figure.auc.items():
            yield group, f"auc of {score}", interval
        yield group, "precision", figure.precision
        yield group, "recall", figure.recall
        yield group, "false alarms", figure.false_alarms
    for name, interval in summary.correlations.items():
        yield "said", f"spearman of {name}", interval
