"""A batch whose items, clips and output lie in an object store: a moto server on loopback."""

from __future__ import annotations

import json

import pytest
from batch_jobs import a_job
from batch_workers import ScriptedWork

from tam_video import batch
from tam_video.batch.object_store import StoreStorage, open_storage
from tam_video.batch.sources import fingerprint
from tam_video.batch.work import ExplainWork, ExplainWorker
from tam_video.config import RunConfig
from tam_video.datasets.worlds import make_world, write_scene
from tam_video.errors import ConfigError, ExportError, OutputExistsError, VideoOpenError
from tam_video.models import load_model
from tam_video.video.reader import DEFAULT_LIMITS
from tam_video.video.source import file_fingerprint


@pytest.fixture(scope="module")
def store():
    """An fsspec file system with a bucket `bucket`."""
    import fsspec
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        system = fsspec.filesystem("s3", skip_instance_cache=True)
        system.mkdir("bucket")
        yield system
    server.stop()


@pytest.fixture
def items(store, request):
    """A folder of the bucket with clips and a manifest that names them."""
    place = f"bucket/{request.node.name}"
    for number in range(5):
        store.pipe_file(f"{place}/clip{number}.mp4", bytes([number]) * 3000)
    rows = [{"id": f"i{n}", "video": f"clip{n}.mp4", "question": "ok"} for n in range(5)]
    rows.append({"id": "bad", "video": "clip0.mp4", "question": "fail answer"})
    rows.append({"id": "gone", "video": "none.mp4", "question": "ok"})
    text = "".join(json.dumps(row) + "\n" for row in rows)
    store.pipe_file(f"{place}/items.jsonl", text.encode())
    return f"s3://{place}"


def run(items, out, tmp_path, **options):
    work = ScriptedWork(out, str(tmp_path / "traces"))
    how = batch.BatchOptions(workers=2, **options)
    return list(batch.run(f"{items}/items.jsonl", out, options=how, task=batch.BatchTask(work)))


def lines_of(store, place):
    result = []
    for path in store.glob(f"{place}/ledger*.jsonl"):
        result += [json.loads(line) for line in store.cat_file(path).splitlines()]
    return result


def test_items_clips_and_results_in_a_store(store, items, tmp_path):
    out = f"{items}/out"
    results = run(items, out, tmp_path)
    failed = {r.item.id: r.error.type for r in results if r.error}
    assert failed == {"bad": "VideoDecodeError", "gone": "VideoOpenError"}
    store.invalidate_cache()
    place = out.removeprefix("s3://")
    runs = {path.split("/")[-2] for path in store.glob(f"{place}/runs/*/manifest.json")}
    lines = lines_of(store, place)
    assert {line["run"] for line in lines if line["status"] == "done"} == runs
    assert len(lines) == 7
    assert all(r.run_dir.startswith(f"{out}/runs/") for r in results if not r.error)
    assert b"i4,done" in store.cat_file(f"{place}/summary.csv")
    before = (tmp_path / "traces").read_text()
    again = run(items, out, tmp_path)
    assert all(r.is_resumed for r in again)
    assert (tmp_path / "traces").read_text() == before


def test_a_store_and_a_folder_have_the_same_lines(store, items, tmp_path):
    run(items, f"{items}/out", tmp_path)
    run(items, str(tmp_path / "out"), tmp_path)
    store.invalidate_cache()
    ours = [json.loads(x) for x in (tmp_path / "out" / "ledger.jsonl").read_text().splitlines()]
    theirs = lines_of(store, f"{items.removeprefix('s3://')}/out")
    assert sorted(map(repr, ours)) == sorted(map(repr, theirs))


def test_a_run_without_a_manifest_is_no_result_and_is_made_again(store, items, tmp_path):
    out = f"{items}/out"
    run(items, out, tmp_path)
    store.invalidate_cache()
    victim = store.glob(f"{out.removeprefix('s3://')}/runs/*/manifest.json")[0]
    store.rm_file(victim)
    results = run(items, out, tmp_path)
    assert sum(not r.is_resumed for r in results) == 1
    assert {r.status for r in results if not r.is_resumed} == {"done"}


def test_key_of_a_clip_depends_on_its_bytes_not_its_location(store, tmp_path):
    for size in (10, (1 << 20) + 5, (3 << 20) + 1):
        data = bytes(range(251)) * (size // 251 + 1)
        (tmp_path / "clip.mp4").write_bytes(data[:size])
        store.pipe_file("bucket/same.mp4", data[:size])
        expected = file_fingerprint(tmp_path / "clip.mp4")
        assert (
            fingerprint("s3://bucket/same.mp4")
            == fingerprint(str(tmp_path / "clip.mp4"))
            == expected
        )
    with pytest.raises(VideoOpenError):
        fingerprint("s3://bucket/none.mp4")


def test_segments_of_a_ledger_grow_and_are_never_shared(store):
    one, two = StoreStorage("s3://bucket/lines"), StoreStorage("s3://bucket/lines")
    books = [one.log("ledger"), two.log("ledger")]
    for number in range(300):
        books[number % 2].append([f"line {number}".encode()])
    books[0].append([b"x"] * 200)
    result = [line for book in two.other_logs("ledger") for _, line in book.scan()]
    assert sorted(result) == sorted([*(f"line {n}".encode() for n in range(300)), *[b"x"] * 200])
    assert books[0].read(books[0].append([b"last"])) == b"last"
    store.invalidate_cache()
    assert len(store.glob("bucket/lines/ledger.*.jsonl")) == 3
    one.release()
    two.release()


def test_missing_or_foreign_output_is_refused(store, tmp_path):
    store.pipe_file("bucket/mine/notes.txt", b"x")
    with pytest.raises(OutputExistsError, match="not empty"):
        open_storage("s3://bucket/mine").acquire("ledger")
    with pytest.raises(ExportError, match="nobucket"):
        open_storage("s3://nobucket/x").begin({})
    with pytest.raises(ConfigError):
        open_storage("nostore://x")


def test_a_real_clip_is_fetched_explained_and_its_copy_removed(store, tmp_path):
    write_scene(make_world("base", 801), tmp_path / "clip.mp4")
    store.put_file(str(tmp_path / "clip.mp4"), "bucket/real/clip.mp4")
    config = RunConfig(num_frames=4, max_new_tokens=5)
    work = ExplainWork(
        config, "s3://bucket/real/out", "ledger", frozenset({"maps"}), DEFAULT_LIMITS
    )
    worker = ExplainWorker(work, load_model("tiny"))
    job = a_job("s3://bucket/real/clip.mp4", "Describe the video.")
    clip = worker.read(job)
    said = worker.answer(job, job.questions[0], clip)
    outcome = worker.write(job, job.questions[0], clip, said)
    worker.forget(clip)
    assert said.settings["sources"] == ["s3://bucket/real/clip.mp4"]
    assert str(said.info.path) == "clip.mp4"
    store.invalidate_cache()
    names = {path.rpartition("/")[2] for path in store.ls(f"bucket/real/out/runs/{outcome.run}")}
    assert {"explanation.json", "manifest.json", "maps.npz"} <= names
    assert not list(worker._folder.iterdir())
    worker.close()
