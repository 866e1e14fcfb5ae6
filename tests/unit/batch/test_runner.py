"""The options of a batch and their bounds."""

from __future__ import annotations

import pytest

from tam_video.batch.jobs import ItemRequest
from tam_video.batch.runner import EXPLAIN, BatchOptions, run
from tam_video.errors import BatchError, ConfigError


@pytest.mark.parametrize(
    "options",
    [
        {"workers": 1},
        {"timeout_seconds": 0.1},
        {"shard": (1, 1)},
        {"shard": (8, 8)},
        {"keep": frozenset()},
    ],
)
def test_options_may_be_at_their_bounds(options):
    assert BatchOptions(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers must be 1 or more, not 0"),
        ({"timeout_seconds": 0.0}, "above 0, not 0 seconds"),
        ({"timeout_seconds": -1.0}, "above 0, not -1 seconds"),
        ({"timeout_seconds": float("nan")}, "above 0"),
        ({"shard": (0, 8)}, "shard 0 of 8 does not exist"),
        ({"shard": (9, 8)}, "shard 9 of 8 does not exist"),
        ({"keep": frozenset({"maps", "gif3"})}, "'gif3' is not a valid file kind"),
    ],
)
def test_options_beyond_their_bounds_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        BatchOptions(**options)


def test_nothing_is_retried_or_compared_by_hashes_unless_it_is_requested():
    options = BatchOptions()
    assert (options.retry_failed, options.verify) == (False, False)
    assert options.workers is options.timeout_seconds is options.max_failures is None
    assert EXPLAIN.writes_summary
    assert not ItemRequest("key", "run", ()).may_exist


def failing(out, *, count, max_failures):
    """Run items that fail before any worker starts."""
    rows = [{"id": f"i{k}", "video": f"/none/{k}.mp4", "question": "?"} for k in range(count)]
    results = run(rows, out, options=BatchOptions(max_failures=max_failures, workers=1))
    return [result.status for result in results]


def test_a_batch_ends_when_more_items_fail_than_are_allowed(tmp_path):
    assert failing(tmp_path / "a", count=2, max_failures=2) == ["failed"] * 2
    assert failing(tmp_path / "b", count=2, max_failures=None) == ["failed"] * 2
    with pytest.raises(BatchError, match="more items failed"):
        failing(tmp_path / "c", count=3, max_failures=2)
    with pytest.raises(BatchError, match="more items failed"):
        failing(tmp_path / "d", count=1, max_failures=0)
    # Failures of an earlier run do not count again.
    assert failing(tmp_path / "d", count=1, max_failures=0) == ["failed"]
