"""A live stream on loopback: dropped, silent, refused, and what is there in the end.

`python -m benchmarks.stream --minutes 5 --drops 2` is the long form.
"""

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from benchmarks.live_server import Coded, Drop, LiveServer, coded_frames, read_numbers
from benchmarks.stream import failures, measure
from tam_video.errors import EncodeError, VideoOpenError
from tam_video.video.live import FollowOptions, StreamFollower, recorded_segments, stream_address


def follower(url, folder, **options):
    given = FollowOptions(**{"read_seconds": 1.0, "open_seconds": 2.0} | options)
    return StreamFollower(stream_address(url), folder, options=given, first_wait_seconds=0.1)


def test_only_what_was_dropped_is_missing(tmp_path):
    drops = (Drop(2.5, 1), Drop(5.5, 2, "silence"))
    figures = measure(
        tmp_path,
        seconds=9,
        drops=drops,
        segment_seconds=2.0,
        read_seconds=1.0,
        longest_wait_seconds=0.5,
    )
    assert failures(figures) == []
    assert figures.num_recorded > 100
    assert figures.largest_start_error_seconds < 1
    segments = recorded_segments(tmp_path)
    assert sum(segment.gap is not None for segment in segments) == 2
    missing = sum(segment.gap.seconds for segment in segments if segment.gap)
    assert missing == pytest.approx(figures.told_missing_seconds, abs=0.01)
    for segment in segments:
        numbers = read_numbers(segment.path)
        assert len(numbers) == segment.num_frames
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_silent_server_does_not_block_the_follower(tmp_path):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(5)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        began = time.monotonic()
        with pytest.raises(VideoOpenError, match="no packets"):
            follower(url, tmp_path, open_seconds=0.5, give_up_seconds=0.6).run()
        assert time.monotonic() - began < 15
    assert recorded_segments(tmp_path) == []


@pytest.fixture
def web():
    """Serves what a test puts into `pages`; notes what is asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            status, headers, body = self.server.pages[self.path]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.pages = [], {}
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_no_playlist_and_no_redirect_is_followed(web, tmp_path):
    secret = tmp_path / "secret.ts"
    secret.write_bytes(b"".join(coded_frames(5).pieces))
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{secret}\n/other.ts\n"
    web.pages = {
        "/list.m3u8": (200, {"Content-Type": "application/vnd.apple.mpegurl"}, playlist.encode()),
        "/moved.ts": (302, {"Location": "/other.ts"}, b""),
        "/other.ts": (200, {}, secret.read_bytes()),
    }
    for page in ("list.m3u8", "moved.ts"):
        url = f"http://user:hunter2@127.0.0.1:{web.server_port}/{page}"
        with pytest.raises(VideoOpenError) as caught:
            follower(url, tmp_path / "out", give_up_seconds=0.2).run()
        assert (
            "hunter2" not in f"{caught.value.message} {caught.value.hint} {caught.value.__cause__}"
        )
    assert "/other.ts" not in web.asked
    assert recorded_segments(tmp_path / "out") == []


def test_a_clock_that_is_set_back_starts_a_new_file(tmp_path):
    once = coded_frames(40)
    twice = Coded(once.pieces * 2, once.is_keyframe * 2, once.fps)
    with LiveServer(twice) as server:
        follower(server.url, tmp_path, duration_seconds=3.0).run()
    first, second = recorded_segments(tmp_path)
    assert read_numbers(first.path) == list(range(40))
    assert read_numbers(second.path)[:10] == list(range(10))
    assert second.gap is not None
    assert second.gap.reason == "the camera's clock jumped"
    assert second.gap.seconds < 0.5
    assert (second.started - first.started).total_seconds() == pytest.approx(1.6, abs=0.4)


def test_the_oldest_segments_are_removed(tmp_path):
    with LiveServer(coded_frames(25 * 5)) as server:
        given = {"segment_seconds": 1.0, "duration_seconds": 4.5, "max_gibibytes": 1e4 / (1 << 30)}
        run = follower(server.url, tmp_path, **given)
        statistics = run.run()
    kept = recorded_segments(tmp_path)
    assert statistics.num_removed > 0
    assert statistics.num_segments == statistics.num_removed + len(kept)
    assert read_numbers(kept[-1].path)[-1] > 75


def test_stop_ends_the_recording_without_partial_files(tmp_path):
    (tmp_path / ".1-ab.partial").write_bytes(b"a kill left this")
    with LiveServer(coded_frames(25 * 10)) as server:
        run = follower(server.url, tmp_path, segment_seconds=30)
        threading.Timer(1.5, run.stop.set).start()
        run.run()
    assert {path.suffix for path in tmp_path.iterdir()} == {".mp4", ".json"}
    assert len(recorded_segments(tmp_path)) == 1


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EncodeError, match="segments"):
        follower("http://127.0.0.1:9/x", tmp_path / "file" / "x").run()
