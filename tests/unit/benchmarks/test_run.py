"""The harness: names, JSON, verdicts. Times are not judged here."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmarks import run
from benchmarks.performance import RATIOS, STAGES, measurement
from benchmarks.performance.measurement import Measurement

FOUND = Measurement(2.0, 1.5, "at least", {"ours cpu": 1.0}, "how it was found", {"more": 3})


def test_quick_run_prints_ratios_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    run.main(["--quick", "--json", "--only", "tam_stage_speedup"])

    result = json.loads(capsys.readouterr().out)
    assert set(result) >= {"ratios", "measurements", "stages", "machine"}
    assert list(result["ratios"]) == ["tam_stage_speedup"]
    assert result["ratios"]["tam_stage_speedup"] > 0
    record = result["measurements"]["tam_stage_speedup"]
    assert record["target"] == 1000
    assert record["holds"] is None  # the target is for the full size
    assert record["figures"]["largest_difference"] <= 1e-4
    assert result["machine"]["packages"]["numpy"]


@pytest.mark.parametrize("name", [*RATIOS, *STAGES])
def test_every_name_is_a_function(name: str) -> None:
    assert callable(run.measurement_of(name))


def test_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run.main(["--only", "tam_stage_speedup,nothing"])

    assert "nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ratio", "sense", "holds"),
    [
        (1.5, "at least", True),
        (1.4, "at least", False),
        (1.5, "at most", True),
        (None, "at most", None),
    ],
)
def test_a_measurement_knows_whether_it_holds(
    ratio: float | None, sense: str, holds: bool | None
) -> None:
    assert replace(FOUND, ratio=ratio, sense=sense).holds is holds


def test_table_shows_target_and_verdict() -> None:
    table = run.table({"tam_stage_speedup": FOUND}, quick=False)

    assert "at least 1.5" in table
    assert "yes" in table
    assert "yes" not in run.table({"tam_stage_speedup": FOUND}, quick=True)


def test_calls_take_turns() -> None:
    order: list[str] = []

    result = measurement.interleaved(
        {"a": lambda: order.append("a"), "b": lambda: order.append("b")}, repeats=2, warm_ups=1
    )

    assert "".join(order) == "abbaab"
    assert [len(each) for each in result.values()] == [2, 2]


def test_a_childs_peak_is_its_own() -> None:
    result = measurement.in_child("tam_stage:stage_peak", name="ours", quick=True)

    assert result["peak_bytes"] > result["extra_bytes"] >= 0


def test_extra_peak_counts_what_is_freed_again() -> None:
    extra = measurement.extra_peak(lambda: bytearray(b"x") * (64 << 20))

    assert 60 << 20 <= extra <= 80 << 20
