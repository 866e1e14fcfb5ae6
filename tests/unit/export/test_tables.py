import csv

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from constructed import HOSTILE, make_explanation, moving_maps
from pyarrow import parquet

from tam_video.export.exporting import export_explanation
from tam_video.export.tables import SLOT_COLUMNS, WORD_COLUMNS
from tam_video.localise import word_tracks


def tables(tmp_path, explanation):
    export_explanation(explanation, ["csv", "parquet"], tmp_path / "out", words="all")
    out = tmp_path / "out"
    by_csv = [pd.read_csv(out / f"{name}.csv") for name in ("words", "slots")]
    by_parquet = [pd.read_parquet(out / f"{name}.parquet") for name in ("words", "slots")]
    return by_csv, by_parquet


def test_csv_and_parquet_have_the_same_tables(tmp_path):
    maps = np.concatenate([moving_maps(2), np.full((1, 6, 6, 6), 0.5, np.float32)])
    by_csv, by_parquet = tables(tmp_path, make_explanation(maps))
    for left, right, columns in zip(by_csv, by_parquet, (WORD_COLUMNS, SLOT_COLUMNS), strict=True):
        assert list(left.columns) == list(right.columns) == list(columns)
        pd.testing.assert_frame_equal(left, right, check_dtype=False)


def test_columns_have_their_types_even_without_a_row(tmp_path):
    explanation = make_explanation(np.zeros((0, 2, 3, 3), np.float32))
    tables(tmp_path, explanation)
    schema = parquet.read_schema(tmp_path / "out" / "slots.parquet")
    assert schema.field("word").type == pa.string()
    assert schema.field("slot").type == pa.int64()
    assert schema.field("energy").type == pa.float64()
    assert (tmp_path / "out" / "words.csv").read_text() == ",".join(WORD_COLUMNS) + "\n"


def test_rows_have_the_values_of_the_tracks(tmp_path):
    explanation = make_explanation(moving_maps(2))
    (words, slots), _ = tables(tmp_path, explanation)
    track = word_tracks(explanation)[1]
    row = words.iloc[1]
    assert (row.first_frame, row.last_frame) == (3, 15)
    assert (row.start_seconds, row.end_seconds) == pytest.approx(track.span_seconds)
    assert (row.peak_x_px, row.peak_y_px) == (track.peak.x_px, track.peak.y_px)
    assert (row.num_cells, row.probability) == (12, 0.5)
    assert row.energy_share == round(track.energy_share, 6)
    own = slots[slots.word_index == 1]
    np.testing.assert_allclose(own.energy, track.energy, atol=1e-6)
    assert own[["x0_px", "y0_px", "x1_px", "y1_px"]].iloc[2].tolist() == [30, 10, 60, 30]
    assert own.x0_px.isna().tolist() == [True, False, False, False, True, True]


def test_no_cell_begins_a_formula(tmp_path):
    explanation = make_explanation(moving_maps(len(HOSTILE)), words=HOSTILE)
    tables(tmp_path, explanation)
    for name in ("words", "slots"):
        with (tmp_path / "out" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            assert not any(row["word"].startswith("=") for row in csv.DictReader(file))
