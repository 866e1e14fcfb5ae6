"""A dictionary on the disk behaves as one in memory does, and tells when there is no room."""

from __future__ import annotations

import gc
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tam_video.batch.disk_map import DiskMap
from tam_video.errors import ExportError

KEYS = st.text(st.characters(), max_size=2) | st.sampled_from(["a", "b", "\udcff"])
STEPS = st.tuples(st.sampled_from(["put", "discard"]), KEYS, st.binary(max_size=3))


@settings(max_examples=50, deadline=None)
@given(st.lists(STEPS, max_size=30))
def test_disk_map_equals_a_dictionary(steps):
    kept, slow = DiskMap(), {}
    for what, key, value in steps:
        if what == "put":
            kept.put(key, value)
            slow[key] = value
        else:
            kept.discard(key)
            slow.pop(key, None)
    for key in {key for _, key, _ in steps} | {"never"}:
        assert kept.get(key) == slow.get(key)


def test_it_is_closed_with_its_owner():
    kept = DiskMap()
    connection = kept._connection
    del kept
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_full_disk_is_an_export_error():
    kept = DiskMap()
    kept._connection.execute("PRAGMA max_page_count = 4")
    with pytest.raises(ExportError, match="full"):
        kept.put("a", bytes(1 << 20))


def test_it_may_be_used_by_several_threads():
    kept = DiskMap()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(kept.put, "a", b"1").result()
    assert kept.get("a") == b"1"


def test_a_key_without_a_value_is_present():
    kept = DiskMap()
    kept.put("a")
    assert kept.get("a") == b""
    assert kept.get("b") is None
