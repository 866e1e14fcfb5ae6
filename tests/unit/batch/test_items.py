"""Rows to items: what is accepted, what fails by itself, and what may not be named."""

from __future__ import annotations

import csv
import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tam_video.batch.items import items_of_rows, read_items
from tam_video.batch.sources import SourcePolicy
from tam_video.errors import ConfigError, TamVideoError


@pytest.fixture
def clips(tmp_path):
    for name in ("a.mp4", "b.mkv", "c.txt", "sub/d.webm", ".hidden.mp4", "sub/.e/f.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def manifest(folder, *rows, name="items.jsonl"):
    path = folder / name
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def only(items):
    (item,) = items
    return item


def test_row_becomes_an_item_with_its_further_columns(tmp_path):
    row = {"id": "x", "video": "a.mp4", "question": "Who?", "start": "1:02", "end": 70, "ward": 7}
    item = only(read_items(manifest(tmp_path, row)))
    assert (item.id, item.videos) == ("x", (str(tmp_path / "a.mp4"),))
    assert [(t.role, t.text) for t in item.turns] == [("user", "Who?")]
    assert (item.start_seconds, item.end_seconds, item.extra) == (62.0, 70.0, {"ward": 7})
    assert item.problem is None


def test_paths_are_relative_to_the_manifest(tmp_path):
    (tmp_path / "in").mkdir()
    path = manifest(tmp_path / "in", {"video": "../a.mp4"}, {"video": "/b.mp4"})
    items = list(read_items(path, question="Why?"))
    assert [i.id for i in items] == ["000001", "000002"]
    assert [i.videos[0] for i in items] == [str(tmp_path / "in" / ".." / "a.mp4"), "/b.mp4"]


def test_several_questions_are_several_items_on_the_same_clip():
    items = list(items_of_rows([{"id": "x", "video": "a.mp4", "questions": ["A?", "B?"]}]))
    assert [(i.id, i.turns[0].text) for i in items] == [("x#1", "A?"), ("x#2", "B?")]


def test_a_conversation_may_show_several_videos_and_be_text_in_a_cell(tmp_path):
    show = [{"type": "video", "path": n} for n in ("a.mp4", "b.mp4")]
    turns = [{"role": "user", "content": [*show, {"type": "text", "text": "Which?"}]}]
    for value in (turns, json.dumps(turns), {"messages": turns}):
        item = only(read_items(manifest(tmp_path, {"conversation": value})))
        assert item.videos == (str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4"))
        assert item.turns[0].inputs == (0, 1)


def test_csv_and_parquet_equal_json_lines(tmp_path):
    rows = [
        {"id": "ä", "video": "a.mp4", "question": 'Who, "exactly"?', "note": "x,\ny"},
        {"id": "b", "video": "b.mp4", "question": "Why?", "note": ""},
    ]
    with (tmp_path / "items.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    import pyarrow as arrow
    from pyarrow import parquet

    parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / "items.parquet")
    expected = list(read_items(manifest(tmp_path, *rows)))
    assert list(read_items(tmp_path / "items.csv")) == expected
    assert list(read_items(tmp_path / "items.parquet")) == expected


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"question": "?"}, "no video"),
        ({"video": "a.mp4"}, "no question"),
        ({"video": "a.mp4", "question": "A?", "questions": ["B?"]}, "only one of them is allowed"),
        ({"video": "a.mp4", "question": "  "}, "empty or not a text"),
        ({"video": ["a.mp4", 7], "question": "?"}, "empty or not a text"),
        ({"video": 7, "question": "?"}, "must be a text or a list"),
        ({"video": "a.mp4", "question": "?", "start": "soon"}, "not a time"),
        ({"video": "a.mp4", "question": "?", "start": 9, "end": 8}, "greater than 'start'"),
        ({"video": "a.mp4", "question": "?", "start": "nan"}, "'start' must be a time"),
        ({"video": "a.mp4", "question": "?", "id": ["x"]}, "'id' must be a text"),
        ({"video": "a.mp4", "conversation": "{"}, "not valid JSON"),
        ({"video": "a.mp4", "conversation": [{"role": "king", "text": "x"}]}, "role"),
        ({"video": "http://127.0.0.1/a.mp4", "question": "?"}, "only local files"),
        ({"video": "s3://b/a.mp4", "question": "?"}, "only local files"),
        ({"video": "a\0.mp4", "question": "?"}, "NUL"),
    ],
)
def test_invalid_row_is_an_item_that_fails(row, words):
    items = list(items_of_rows([{"video": "ok.mp4", "question": "?"}, row]))
    assert items[0].problem is None
    assert words in items[1].problem.message
    assert items[1].problem.message.startswith("row 2")


def test_a_broken_line_fails_and_the_next_is_read(tmp_path):
    path = manifest(tmp_path, '{"video": "a.mp4"', "[1]", {"video": "a.mp4"})
    path.write_bytes(path.read_bytes() + b"\xff\xfe{\n")
    items = list(read_items(path, question="?"))
    assert [item.problem is None for item in items] == [False, False, True, False]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("items.csv", b"name,question\na.mp4,?\n"),
        ("items.csv", b"video,question\n\xff\xfe,?\n"),
        ("items.csv", b'video,question\n"a.mp4,?\n'),
        ("items.parquet", b"PAR1 but not really"),
        ("items.parquet", b""),
    ],
)
def test_unreadable_manifest_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError):
        list(read_items(tmp_path / name, question="?"))


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("tam_video.batch.manifests._LONGEST_LINE", 1000)
    (tmp_path / "items.jsonl").write_bytes(b'{"video": "' + b"a" * 5000)
    with pytest.raises(ConfigError, match="line longer than"):
        list(read_items(tmp_path / "items.jsonl"))


def test_folders_and_globs_list_their_clips_in_order(clips):
    assert [i.id for i in read_items(clips, question="?")] == ["a.mp4", "b.mkv", "sub/d.webm"]
    assert [i.id for i in read_items(f"{clips}/*.mp4", question="?")] == ["a.mp4"]
    assert [i.id for i in read_items(f"{clips}/**/*.webm", question="?")] == ["sub/d.webm"]
    assert [i.id for i in read_items(clips / "c.txt", question="?")] == ["c.txt"]
    for nothing in (clips / "none", f"{clips}/*.avi"):
        with pytest.raises(ConfigError):
            list(read_items(nothing, question="?"))
    with pytest.raises(ConfigError, match="no question"):
        list(read_items(clips))


def test_links_do_not_lead_out_of_a_folder(clips, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.mp4"
    outside.write_bytes(b"x")
    (clips / "out.mp4").symlink_to(outside)
    (clips / "loop").symlink_to(clips)
    (clips / "in.mp4").symlink_to(clips / "a.mp4")
    ids = [i.id for i in read_items(clips, question="?")]
    assert ids == ["a.mp4", "b.mkv", "in.mp4", "sub/d.webm"]


def test_root_restricts_the_paths_of_rows(clips, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.mp4"
    outside.write_bytes(b"x")
    (clips / "link.mp4").symlink_to(outside)
    policy = SourcePolicy(root=clips)
    named = ["a.mp4", "../a.mp4", "link.mp4", str(outside), f"file://{outside}", "sub/../b.mkv"]
    path = manifest(clips, *({"video": name} for name in named))
    items = list(read_items(path, question="?", policy=policy))
    assert [i.problem is None for i in items] == [True, False, False, False, False, True]


def test_allowed_protocols_are_by_name_and_never_chained():
    policy = SourcePolicy(frozenset({"s3"}))
    assert policy.checked("s3://bucket/a.mp4") == "s3://bucket/a.mp4"
    for other in ("gs://b/a", "http://b/a", "s3://b/a::http://c"):
        assert only(items_of_rows([{"video": other, "question": "?"}], policy=policy)).problem
    chained = "simplecache::s3://b/a"  # the name of a local file
    item = only(items_of_rows([{"video": chained, "question": "?"}], policy=policy))
    assert item.videos == (str(Path(chained).absolute()),)


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
keys = st.sampled_from(
    ["id", "video", "videos", "question", "questions", "conversation", "answer", "start", "end"]
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(keys | st.text(max_size=5), values, max_size=6), max_size=4))
def test_any_row_is_an_item_or_an_error(rows):
    for item in items_of_rows(rows, question="?"):
        assert item.id
        assert item.problem is not None or (item.videos and item.turns)


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=300), name=st.sampled_from(["x.jsonl", "x.csv", "x.parquet"]))
def test_any_bytes_as_a_manifest_give_items_or_a_config_error(tmp_path_factory, content, name):
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    with suppress(TamVideoError):
        list(read_items(path, question="?"))


def item_of(**row):
    return only(items_of_rows([{"video": "/a.mp4", "question": "?", **row}]))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"start": 1, "end": 1}, "'end' must be greater than 'start'"),
        ({"end": 0}, "'end' must be greater than 'start'"),
        ({"start": -1}, "'start' must be a time of 0 seconds or more, not -1"),
        ({"end": "inf"}, "'end' must be a time of 0 seconds or more, not inf"),
        ({"start": True}, "'start' must be a text"),
        ({"answer": {}}, "'answer' must be a text"),
        ({"videos": []}, "'videos' must be a text or a list of texts"),
        ({"videos": "[1]"}, "'videos' contains a value that is empty or not a text"),
        ({"videos": "[x]"}, "'videos' is not valid JSON"),
        ({"question": [""]}, "'question' contains a value that is empty"),
        ({"question": None}, "the row has no question"),
        ({"questions": "Q", "conversation": []}, "question and questions and conversation, but"),
        ({"question": None, "conversation": "[1"}, "'conversation' is not valid JSON"),
    ],
)
def test_invalid_values_are_named(row, words):
    assert words in item_of(**row).problem.message


def test_times_may_be_at_their_bounds():
    item = item_of(start=0, end=0.5)
    assert (item.problem, item.start_seconds, item.end_seconds) == (None, 0, 0.5)
    assert item_of(start=3).end_seconds is None
    assert item_of(end=3).start_seconds is None


def test_cells_may_be_numbers_paths_and_lists_as_json():
    assert item_of(id=7, answer=0.5, video=Path("/b.mp4")).id == "7"
    assert item_of(answer=0.5).answer == "0.5"
    assert item_of(id=float("nan"), answer="", start=None).id == "000001"
    assert item_of(videos='["/b.mp4", "/c.mp4"]').videos == ("/a.mp4", "/b.mp4", "/c.mp4")
    assert item_of(videos="/b.mp4").videos == ("/a.mp4", "/b.mp4")
    one, two = items_of_rows([{"video": "/a.mp4", "questions": '["A?", "B?"]'}])
    assert [one.turns[0].text, two.turns[0].text] == ["A?", "B?"]
    # Only columns for several texts contain lists.
    assert item_of(question='["A?"]').turns[0].text == '["A?"]'
    assert item_of(video="[a].mp4").videos[0].endswith("/[a].mp4")
    assert item_of(question=None, questions="[really?").turns[0].text == "[really?"


def test_a_row_with_one_question_keeps_its_name():
    assert item_of(id="x", question=None, questions=["A?"]).id == "x"


def test_videos_are_named_in_one_place():
    show = [{"type": "video", "path": "b.mp4"}, {"type": "text", "text": "?"}]
    row = {"video": "a.mp4", "conversation": [{"role": "user", "content": show}]}
    item = only(items_of_rows([row]))
    assert "both 'conversation' and 'video'" in item.problem.message
    del row["video"]
    assert only(items_of_rows([row])).problem is None


def test_further_columns_are_kept_also_of_a_row_that_fails():
    own = ("video", "videos", "question", "questions", "conversation", "answer", "start", "end")
    row = {**dict.fromkeys(own, ""), "id": "x", "ward": 7, 3: "c"}
    item = only(items_of_rows([row]))
    assert (item.id, item.extra) == ("x", {"ward": 7, "3": "c"})
    assert item.problem.hint
    unreadable = only(items_of_rows([ConfigError("not valid JSON", hint="look")]))
    assert (unreadable.id, unreadable.extra) == ("000001", {})
    assert (unreadable.problem.message, unreadable.problem.hint) == (
        "row 1: not valid JSON",
        "look",
    )


def test_the_question_of_the_call_is_for_rows_without_one():
    rows = [{"video": "/a.mp4"}, {"video": "/a.mp4", "question": "Own?"}]
    texts = [item.turns[0].text for item in items_of_rows(rows, question="All?")]
    assert texts == ["All?", "Own?"]


def test_a_manifest_in_a_store_names_objects_of_its_folder_and_store():
    import fsspec

    system = fsspec.filesystem("memory")
    rows = [{"video": name} for name in ("a.mp4", "memory://c/b.mp4", "s3://b/a.mp4", "/etc/x")]
    system.pipe_file("/b/m.jsonl", "\n".join(map(json.dumps, rows)).encode())
    items = list(read_items("memory://b/m.jsonl", question="?"))
    system.rm_file("/b/m.jsonl")
    assert [item.videos for item in items] == [
        ("memory://b/a.mp4",), ("memory://c/b.mp4",), (), ("/etc/x",),
    ]  # fmt: skip
    assert "only local files" in items[2].problem.message


def test_a_manifest_may_have_a_file_address_and_upper_case(tmp_path):
    path = manifest(tmp_path, {"video": "a.mp4"}, name="ITEMS.JSONL")
    item = only(read_items(f"file://{path}", question="?"))
    assert item.videos == (str(tmp_path / "a.mp4"),)


def test_a_glob_of_manifests_is_not_a_manifest(tmp_path):
    manifest(tmp_path, {"video": "a.mp4"})
    with pytest.raises(ConfigError, match="contains no videos"):
        list(read_items(f"{tmp_path}/*.jsonl", question="?"))
