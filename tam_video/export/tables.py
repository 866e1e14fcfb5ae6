"""Export two tables as CSV and Parquet: one row per word, and one row per word and slot.

Frames are 0-based.


Times are presentation times of the source in seconds, as `pts_seconds` in `explanation.json`. An
undefined value is an empty cell.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

from tam_video.export.exporter import Exporter, TrackedInput, plain_number
from tam_video.export.plain_text import spreadsheet_cell
from tam_video.localise import WordTrack

Row: TypeAlias = Mapping[str, Any]

WORD_COLUMNS: Mapping[str, type] = {
    "word_index": int,
    "word": str,
    "is_content": bool,
    "char_start": int,
    "char_end": int,
    "probability": float,
    "start_seconds": float,
    "end_seconds": float,
    "first_frame": int,
    "last_frame": int,
    "peak_seconds": float,
    "peak_slot": int,
    "peak_row": int,
    "peak_column": int,
    "peak_x_px": float,
    "peak_y_px": float,
    "peak_value": float,
    "threshold": float,
    "num_cells": int,
    "energy": float,
    "energy_share": float,
    "probability_checked": float,
    "probability_hidden": float,
    "probability_control_min": float,
    "probability_control_max": float,
    "num_controls": int,
    "num_controls_beaten": int,
}
"""Columns of the table of words: names and types. The last six are those of the causal check."""

SLOT_COLUMNS: Mapping[str, type] = {
    "word_index": int,
    "word": str,
    "slot": int,
    "start_seconds": float,
    "end_seconds": float,
    "slot_seconds": float,
    "energy": float,
    "num_cells": int,
    "x0_px": int,
    "y0_px": int,
    "x1_px": int,
    "y1_px": int,
    "centroid_x_px": float,
    "centroid_y_px": float,
}
"""Columns of the table of words by slots."""


def word_rows(tracked: TrackedInput) -> Iterator[Row]:
    """Yield one row per word, with the columns in `WORD_COLUMNS`."""
    for track, label in zip(tracked.tracks, tracked.labels, strict=True):
        stretches, span, peak = track.stretches, track.span_seconds, track.peak
        yield {
            "word": label,
            **_word_values(tracked, track),
            "start_seconds": span and plain_number(span[0]),
            "end_seconds": span and plain_number(span[1]),
            "first_frame": stretches[0].first_frame if stretches else None,
            "last_frame": stretches[-1].last_frame if stretches else None,
            "peak_seconds": peak and plain_number(peak.seconds),
            "peak_slot": peak and peak.slot,
            "peak_row": peak and peak.row,
            "peak_column": peak and peak.column,
            "peak_x_px": peak and plain_number(peak.x_px),
            "peak_y_px": peak and plain_number(peak.y_px),
            "peak_value": peak and plain_number(peak.value),
            "threshold": plain_number(track.threshold),
            "num_cells": int(track.mask.sum()),
            "energy": plain_number(track.energy.sum()),
            "energy_share": plain_number(track.energy_share),
            **_check_values(tracked, track),
        }


def slot_rows(tracked: TrackedInput) -> Iterator[Row]:
    """Yield one row per word and slot, with the columns in `SLOT_COLUMNS`."""
    timeline = tracked.timeline
    for track, label in zip(tracked.tracks, tracked.labels, strict=True):
        for slot, energy in enumerate(track.energy):
            has_box = bool(track.boxes[slot].any())
            box = track.boxes[slot].tolist() if has_box else (None,) * 4
            yield {
                "word_index": track.word_index,
                "word": label,
                "slot": slot,
                "start_seconds": plain_number(timeline.edges_seconds[slot]),
                "end_seconds": plain_number(timeline.edges_seconds[slot + 1]),
                "slot_seconds": plain_number(timeline.slot_seconds[slot]),
                "energy": plain_number(energy),
                "num_cells": int(track.mask[slot].sum()),
                **dict(zip(("x0_px", "y0_px", "x1_px", "y1_px"), box, strict=True)),
                "centroid_x_px": plain_number(track.centroids[slot, 0]),
                "centroid_y_px": plain_number(track.centroids[slot, 1]),
            }


def _word_values(tracked: TrackedInput, track: WordTrack) -> dict[str, Any]:
    """Return the text columns of a word. Its probability is the product over its tokens."""
    if track.word_index is None:
        return dict.fromkeys(("word_index", "is_content", "char_start", "char_end", "probability"))
    word = tracked.explanation.words[track.word_index]
    values = [tracked.explanation.tokens[index].probability for index in word.token_indices]
    known = [value for value in values if value is not None]
    return {
        "word_index": word.index,
        "is_content": word.is_content,
        "char_start": word.char_start,
        "char_end": word.char_end,
        "probability": plain_number(prod(known)) if len(known) == len(values) else None,
    }


def _check_values(tracked: TrackedInput, track: WordTrack) -> dict[str, Any]:
    """Return the columns of the causal check. All are None if the word was not checked."""
    check = tracked.check_of(track)
    controls = check.controls if check else ()
    return {
        "probability_checked": check and check.probability,
        "probability_hidden": check and check.hidden,
        "probability_control_min": min(controls, default=None),
        "probability_control_max": max(controls, default=None),
        "num_controls": check and len(controls),
        "num_controls_beaten": check and check.num_beaten,
    }


_TABLES: Sequence[tuple[str, Mapping[str, type], Callable[[TrackedInput], Iterator[Row]]]] = (
    ("words", WORD_COLUMNS, word_rows),
    ("slots", SLOT_COLUMNS, slot_rows),
)


def _write_csv(tracked: TrackedInput, folder: Path) -> None:
    for name, columns, rows in _TABLES:
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(columns), lineterminator="\n")
            writer.writeheader()
            for row in rows(tracked):
                writer.writerow({**row, "word": spreadsheet_cell(row["word"])})


def _write_parquet(tracked: TrackedInput, folder: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}
    for name, columns, rows in _TABLES:
        schema = pa.schema([(column, kinds[kind]) for column, kind in columns.items()])
        table = pa.Table.from_pylist(list(rows(tracked)), schema=schema)
        parquet.write_table(table, folder / f"{name}.parquet")


CSV, PARQUET = (
    Exporter(
        name=title.lower(),
        files=(f"words.{title.lower()}", f"slots.{title.lower()}"),
        summary=f"{title}: a table of words, and one of words by slots",
        index_base=0,
        write=write,
        package=package,
        extra=package and "parquet",
    )
    for title, write, package in (
        ("CSV", _write_csv, ""),
        ("Parquet", _write_parquet, "pyarrow.parquet"),
    )
)
