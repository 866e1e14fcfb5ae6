"""Keys by content, results of earlier runs, and questions that share a clip."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from tam_video.batch.items import BatchItem, items_of_rows
from tam_video.batch.jobs import Outcome
from tam_video.batch.ledger import open_ledger
from tam_video.batch.plan import Plan, batch_identity, item_key, keyed_items, run_name
from tam_video.batch.storage import FolderStorage
from tam_video.config import RunConfig
from tam_video.errors import ConfigError
from tam_video.export.manifest import new_run_folder
from tam_video.types import Message

IDENTITY = {"settings": {"seed": 0}}


@pytest.fixture
def root(tmp_path):
    for number in range(5):
        (tmp_path / f"c{number}.mp4").write_bytes(bytes([number]) * 50)
    return tmp_path


def rows(root, *items):
    return [
        {"id": f"i{n}", "video": str(root / f"c{clip}.mp4"), "question": text}
        for n, (clip, text) in enumerate(items)
    ]


def a_plan(root, items, *, name="out", **options):
    storage = FolderStorage(root / name)
    storage.acquire("ledger")
    storage.begin({})
    storage.release()
    ledger = open_ledger(storage, "ledger")
    options = {"published": storage.published(), "rows": root / "rows", **options}
    return Plan(items_of_rows(items), ledger, identity=IDENTITY, **options), ledger


def finish_run(root, name):
    with new_run_folder(root / "out" / "runs" / name) as folder:
        (folder / "explanation.json").write_text("{}")


def jobs_of(plan):
    return [job for job in plan.jobs() if job is not None]


def key_of(item, prints=("p",), identity=IDENTITY):
    return item_key(item, prints, identity)


def test_key_depends_on_exactly_what_the_result_depends_on():
    base = BatchItem("a", ("x.mp4",), (Message("user", "?"),))
    assert key_of(base) == key_of(BatchItem("b", ("other/y.mp4",), base.turns, extra={"k": 1}))
    others = [
        BatchItem("a", base.videos, (Message("user", "??"),)),
        BatchItem("a", base.videos, (Message("user", "?", (0,)),)),
        BatchItem("a", base.videos, base.turns, answer="x"),
        BatchItem("a", base.videos, base.turns, start_seconds=1.0),
        BatchItem("a", base.videos, base.turns, end_seconds=1.0),
    ]
    keys = {key_of(base), key_of(base, ("q",)), key_of(base, identity={}), *map(key_of, others)}
    assert len(keys) == 3 + len(others)


def test_identity_contains_settings_and_weights():
    one = batch_identity(RunConfig(), {"maps"})
    assert one["weights"]
    assert one == batch_identity(RunConfig(), {"maps"})
    assert one != batch_identity(RunConfig(num_frames=3), {"maps"})
    assert one != batch_identity(RunConfig(), {"mp4"})


@pytest.mark.parametrize(
    "video", ["../../etc/passwd", "/a/..", "a/\u202egpj.exe", "x" * 300, "", "CON", "a\nb", "-rf"]
)
def test_run_folder_name_is_plain_and_short_for_any_clip_name(video):
    name = run_name(BatchItem("../../x", (video,)), "0123456789abcdef" * 4)
    assert name.endswith("-0123456789abcdef")
    assert len(name) <= 77
    assert all(c.isascii() and (c.isalnum() or c in "-_") for c in name)


def test_questions_about_the_same_part_of_a_clip_share_a_job(root):
    items = rows(root, (0, "a"), (0, "b"), (1, "c"), (0, "d"))
    items.append({**items[-1], "id": "part", "start": 1})
    plan, _ = a_plan(root, items)
    jobs = jobs_of(plan)
    assert [[q.turns[0].text for q in job.questions] for job in jobs] == [
        ["a", "b"],
        ["c"],
        ["d"],
        ["d"],
    ]
    assert jobs[-1].start_seconds == 1
    assert len({job.number for job in jobs}) == 4


def test_done_items_make_no_job_and_failed_ones_only_on_request(root):
    items = rows(root, (0, "a"), (1, "b"), (2, "c"))
    plan, ledger = a_plan(root, items)
    keys = [job.questions[0].key for job in jobs_of(plan)]
    name = next(job.questions[0].run for job in jobs_of(a_plan(root, items)[0]))
    error = next(keyed_items([BatchItem("x", ("none",))], IDENTITY)).error
    ledger.append([Outcome(keys[0], run=name), Outcome(keys[1], error=error)], ids=["a", "b"])
    finish_run(root, name)
    plan, _ = a_plan(root, items)
    assert [job.questions[0].key for job in jobs_of(plan)] == [keys[2]]
    assert [(o.key, old) for _, o, old in plan.completed] == [(keys[0], True), (keys[1], True)]
    plan, _ = a_plan(root, items, retry_failed=True)
    assert [job.questions[0].key for job in jobs_of(plan)] == [keys[1], keys[2]]


def test_item_with_missing_run_folder_is_run_again(root):
    items = rows(root, (0, "a"))
    plan, ledger = a_plan(root, items)
    (job,) = jobs_of(plan)
    ledger.append([Outcome(job.questions[0].key, run=job.questions[0].run)], ids=["i0"])
    plan, again = a_plan(root, items)
    assert [j.questions[0].key for j in jobs_of(plan)] == [job.questions[0].key]
    assert again.status(job.questions[0].key) is None


@pytest.mark.parametrize("damage", ["manifest", "missing", "truncated"])
def test_item_with_damaged_run_folder_is_run_again(root, damage):
    items = rows(root, (0, "a"))
    plan, log = a_plan(root, items)
    (job,) = jobs_of(plan)
    (request,) = job.questions
    log.append([Outcome(request.key, run=request.run)], ids=["i0"])
    finish_run(root, request.run)
    assert jobs_of(a_plan(root, items)[0]) == []
    run = root / "out" / "runs" / request.run
    if damage == "truncated":
        (run / "explanation.json").write_text("")
    else:
        (run / {"manifest": "manifest.json", "missing": "explanation.json"}[damage]).unlink()
    assert [j.questions[0].key for j in jobs_of(a_plan(root, items)[0])] == [request.key]


def test_changed_content_of_the_same_size_is_detected_on_request(root):
    items = rows(root, (0, "a"))
    plan, log = a_plan(root, items)
    (job,) = jobs_of(plan)
    (request,) = job.questions
    log.append([Outcome(request.key, run=request.run)], ids=["i0"])
    finish_run(root, request.run)
    (root / "out" / "runs" / request.run / "explanation.json").write_text("[]")
    storage = FolderStorage(root / "out")
    assert jobs_of(a_plan(root, items)[0]) == []
    verified = a_plan(root, items, published=storage.published(hashes=True))[0]
    assert [j.questions[0].key for j in jobs_of(verified)] == [request.key]


def test_live_source_yields_jobs_at_once_and_none_while_waiting(root):
    items = rows(root, (0, "a"), (1, "b"))
    first, second = items_of_rows(items)
    plan, _ = a_plan(root, [])
    plan._items = iter([first, None, None, second])
    kinds = [job and job.questions[0].turns[0].text for job in plan.jobs()]
    assert kinds == ["a", None, None, "b"]


def test_an_outcome_without_a_run_needs_no_folder(root):
    items = rows(root, (0, "a"))
    plan, log = a_plan(root, items)
    (job,) = jobs_of(plan)
    log.append([Outcome(job.questions[0].key, answer="2")], ids=["i0"])
    assert jobs_of(a_plan(root, items)[0]) == []


def test_run_folder_without_log_line_may_exist(root):
    items = rows(root, (0, "a"))
    (job,) = jobs_of(a_plan(root, items)[0])
    assert not job.questions[0].may_exist
    finish_run(root, job.questions[0].run)
    (job,) = jobs_of(a_plan(root, items)[0])
    assert job.questions[0].may_exist


def test_invalid_items_are_completed_without_a_worker(root):
    items = [*rows(root, (0, "a")), {"id": "gone", "video": "/none.mp4", "question": "?"}, {}]
    plan, _ = a_plan(root, items)
    assert len(jobs_of(plan)) == 1
    errors = {keyed.item.id: o.error.type for keyed, o, _ in plan.completed}
    assert errors == {"gone": "VideoOpenError", "000003": "ConfigError"}


def test_duplicate_id_fails_unless_the_items_are_equal(root):
    items = rows(root, (0, "a"), (1, "b"), (0, "a"))
    items[1]["id"] = "i0"
    items[2]["id"] = "i0"
    plan, _ = a_plan(root, items)
    (job,) = jobs_of(plan)
    assert [item.id for item in plan.in_flight[job.questions[0].key]] == ["i0", "i0"]
    ((keyed, outcome, _),) = plan.completed
    assert keyed.item.turns[0].text == "b"
    assert outcome.error.type == "ConfigError"


def test_repeated_item_that_has_ended_is_yielded_but_not_logged_again(root):
    items = rows(root, (0, "a"), (1, "b"), (0, "a"))
    plan, ledger = a_plan(root, items)
    for job in jobs_of(plan)[:1]:
        (question,) = job.questions
        ledger.append([Outcome(question.key, run=question.run)], ids=["i0"])
        plan.in_flight.pop(question.key)
    plan._items = iter(items_of_rows(items[2:]))
    assert jobs_of(plan) == []
    ((keyed, outcome, is_written),) = plan.completed
    assert (keyed.item.id, outcome.run, is_written) == ("i2", question.run, True)


def test_shards_partition_the_items_and_keep_clips_together(root):
    items = rows(root, *[(clip, text) for clip in range(5) for text in "ab"])
    groups = []
    for number in (1, 2, 3):
        plan, _ = a_plan(root, items, name=f"out{number}", shard=(number, 3))
        groups += [tuple(q.key for q in job.questions) for job in jobs_of(plan)]
    whole = [tuple(q.key for q in job.questions) for job in jobs_of(a_plan(root, items)[0])]
    assert sorted(groups) == sorted(whole)


def test_key_is_the_hash_that_earlier_releases_made():
    item = BatchItem("a", ("x.mp4",), (Message("user", "Wér?", (0,)),), answer="ja", end_seconds=2)
    content = (
        '{"answer": "ja", "end": 2, "identity": {"k": 1, "own": 2}, "start": null, '
        '"turns": [["user", "W\\u00e9r?", [0]]], "videos": ["p", "q"]}'
    )
    item = replace(item, identity={"own": 2})
    expected = hashlib.sha256(content.encode()).hexdigest()
    assert item_key(item, ["p", "q"], {"k": 1, "own": 1}) == expected


def test_run_folder_is_named_by_the_first_clip_and_the_key():
    key = "0123456789abcdef" * 4
    assert run_name(BatchItem("a", ("dir/My clip-1_b.mp4", "z.mp4")), key) == (
        "My_clip-1_b-0123456789abcdef"
    )
    assert run_name(BatchItem("a", ("x" * 61,)), key) == f"{'x' * 60}-0123456789abcdef"
    assert run_name(BatchItem("a"), key) == "clip-0123456789abcdef"


@pytest.mark.parametrize(
    ("cached", "revision", "expected"),
    [("/hub/snapshots/abc123/config.json", None, "abc123"),
     ("/hub/snapshots/abc123/config.json", "v2", "abc123"),
     (None, "v2", "v2"), (None, None, "main"), (object(), "v2", "v2")],
)  # fmt: skip
def test_a_hub_model_is_identified_by_its_commit(monkeypatch, cached, revision, expected):
    asked = []

    def look_up(*args, **options):
        asked.append((args, options))
        return cached

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", look_up)
    identity = batch_identity(RunConfig(model="some/model", revision=revision), {"mp4", "maps"})
    assert identity["weights"] == expected
    assert asked == [(("some/model", "config.json"), {"revision": revision})]
    assert identity["keep"] == ["maps", "mp4"]
    assert identity["settings"]["model"] == "some/model"


def test_keys_of_unreadable_and_invalid_items_depend_on_what_is_wrong(tmp_path):
    def keys(*items):
        return [keyed.key for keyed in keyed_items(items, IDENTITY)]

    def item(id_, *names, **options):
        turns = (Message("user", "?"),)
        return BatchItem(id_, tuple(str(tmp_path / name) for name in names), turns, **options)

    before = keys(item("a", "one"), item("b", "two"), item("c", "one"))
    assert before[0] == before[2] != before[1]
    assert before[0] == key_of(item("a"), [f"unreadable {tmp_path / 'one'}"])
    (tmp_path / "one").write_bytes(b"x")
    assert keys(item("a", "one"), item("b", "two"))[1] == before[1]
    assert keys(item("a", "one")) != before[:1]
    problem = ConfigError("row 1: bad")
    assert keys(item("a", problem=problem)) == [key_of(item("a"), ["row 1: bad"])]


def test_the_second_of_two_items_with_an_id_has_a_key_of_its_own(root):
    items = list(items_of_rows(rows(root, (0, "a"), (1, "b"), (2, "c"))))
    first, second, third = keyed_items([replace(item, id="x") for item in items], IDENTITY)
    alone = [next(keyed_items([item], IDENTITY)).key for item in items]
    assert (first.key, first.error) == (alone[0], None)
    assert len({first.key, second.key, third.key, *alone}) == 5
    short = [bytes.fromhex(key)[:16] for key in alone]
    assert second.key == hashlib.sha256(short[0] + short[1]).hexdigest()
    assert second.error.message == "two items have the id 'x'"
    assert third.error == second.error


def test_a_job_has_at_most_32_questions(root):
    plan, _ = a_plan(root, rows(root, *[(0, f"{n}") for n in range(70)], (1, "x")))
    jobs = jobs_of(plan)
    assert [len(job.questions) for job in jobs] == [32, 32, 6, 1]
    assert [job.number for job in jobs] == [1, 2, 3, 4]
    assert plan.num_items == 71
    assert [q.turns[0].text for job in jobs[:3] for q in job.questions] == [
        f"{n}" for n in range(70)
    ]


def test_a_job_has_the_part_and_the_items_have_their_answers_and_columns(root):
    row = {**rows(root, (0, "a"))[0], "start": 1, "end": 3, "answer": "yes", "ward": 7}
    (job,) = jobs_of(a_plan(root, [row])[0])
    assert (job.videos, job.start_seconds, job.end_seconds) == ((row["video"],), 1, 3)
    (question,) = job.questions
    assert (question.answer, question.extra) == ("yes", {"ward": 7})
    assert question.run == f"c0-{question.key[:16]}"


def test_many_completed_items_are_handed_over_in_parts(root):
    items = [{"id": f"gone{n}", "video": "/none.mp4", "question": "?"} for n in range(300)]
    plan, _ = a_plan(root, items)
    counts = []
    for job in plan.jobs():
        assert job is None
        counts.append(len(plan.completed))
        plan.completed.clear()
    assert counts
    assert max(counts) == 64
    assert sum(counts) + len(plan.completed) == 300


def test_failure_of_this_run_is_not_retried_in_it(root):
    items = rows(root, (0, "a"), (0, "a"))
    plan, log = a_plan(root, [], retry_failed=True)
    first, second = items_of_rows(items)
    jobs = plan.jobs()
    plan._items = iter([first, None, second])
    job = next(jobs)
    (request,) = job.questions
    error = next(keyed_items([BatchItem("x", ("none",))], IDENTITY)).error
    log.append([Outcome(request.key, error=error)], ids=["i0"])
    plan.in_flight.pop(request.key)
    assert [job for job in jobs if job is not None] == []
    ((keyed, outcome, is_written),) = plan.completed
    assert (keyed.item.id, outcome.error, is_written) == ("i1", error, True)


def test_lost_runs_are_recorded_and_failures_are_not(root):
    items = rows(root, (0, "a"), (1, "b"))
    keys = [job.questions[0] for job in jobs_of(a_plan(root, items)[0])]
    _, log = a_plan(root, [])
    error = next(keyed_items([BatchItem("x", ("none",))], IDENTITY)).error
    log.append([Outcome(keys[0].key, run=keys[0].run), Outcome(keys[1].key, error=error)], ids="ab")
    plan, _ = a_plan(root, items, retry_failed=True)
    assert len(jobs_of(plan)) == 2
    lines = (root / "out" / "ledger.jsonl").read_text().splitlines()
    assert [json.loads(line)["status"] for line in lines] == ["done", "failed", "lost"]


def test_each_item_has_a_line_for_the_tables(root):
    show = [{"type": "video", "path": str(root / f"c{n}.mp4")} for n in (0, 1)]
    turns = [
        {"role": "user", "content": [*show, {"type": "text", "text": "Which?"}]},
        {"role": "assistant", "content": "Both."},
        {"role": "user", "content": "Why ü?"},
    ]
    items = [{"id": "x", "conversation": turns, "ward": 7}, {"id": "bad"}]
    plan, _ = a_plan(root, items)
    (job,) = jobs_of(plan)
    one, two = (json.loads(line) for line in (root / "rows").read_text().splitlines())
    assert one == {
        "key": job.questions[0].key,
        "id": "x",
        "video": f"{root}/c0.mp4; {root}/c1.mp4",
        "question": "Why ü?",
        "extra": {"ward": 7},
    }
    assert (two["id"], two["video"], two["question"]) == ("bad", "", "")


def test_the_shard_of_a_clip_is_the_same_on_every_machine(root):
    items = rows(root, *[(clip, "a") for clip in range(5)])
    expected = {
        number: [
            f"i{n}"
            for n in range(5)
            if int(hashlib.sha256(items[n]["video"].encode()).hexdigest()[:16], 16) % 3 + 1
            == number
        ]
        for number in (1, 2, 3)
    }
    assert sum(map(len, expected.values())) == 5
    for number, ids in expected.items():
        plan, _ = a_plan(root, items, name=f"out{number}", shard=(number, 3))
        jobs_of(plan)
        assert [items[0].id for items in plan.in_flight.values()] == ids


def test_names_that_are_not_utf_8_have_a_line_too(root):
    row = {**rows(root, (0, "a"))[0], "file": "a\udcff.mp4"}
    plan, _ = a_plan(root, [row])
    assert len(jobs_of(plan)) == 1
    assert json.loads((root / "rows").read_text("utf-8"))["extra"] == {"file": "a\udcff.mp4"}
