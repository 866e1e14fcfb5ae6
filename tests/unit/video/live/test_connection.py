"""Opening a camera, its packets and their times, and the reasons of errors."""

from __future__ import annotations

import threading
from fractions import Fraction
from types import SimpleNamespace

import av
import pytest
from av.error import ExitError

from tam_video.errors import VideoOpenError
from tam_video.video.live import connection
from tam_video.video.live.connection import Arrived, Connection, connected, reason_of

ADDRESS = SimpleNamespace(
    url="rtsp://user:secret@camera/x", shown="rtsp://camera/x", options={"max_redirects": "0"}
)


def packet(pts, dts, *, size=10, is_keyframe=True):
    return SimpleNamespace(pts=pts, dts=dts, size=size, is_keyframe=is_keyframe)


class Container:
    """Yields packets, then ends with an error, or as a server does."""

    def __init__(self, packets=(), *, error=None, streams=None):
        self.packets, self.error, self.is_closed = packets, error, False
        self.demuxed = []
        self.streams = SimpleNamespace(video=[STREAM] if streams is None else streams)

    def demux(self, stream):
        self.demuxed.append(stream)
        yield from self.packets
        if self.error is not None:
            raise self.error

    def close(self):
        self.is_closed = True


STREAM = SimpleNamespace(time_base=Fraction(1, 100), width=64, height=48)


def received(container, stream=STREAM, max_bytes=1000):
    """Everything that arrives, up to the reason of the end."""
    link = Connection(container, stream, max_bytes)
    items = []
    while not items or not isinstance(items[-1], str):
        items.append(link.buffer.get(5))
        assert items[-1] is not None
    link.close()
    return items


def test_packets_arrive_in_order_with_their_time(monkeypatch):
    clock = iter([10.0, 10.5, 11.25])
    monkeypatch.setattr(connection, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    container = Container([packet(3, 1), packet(0, 0, size=0), packet(2, 2)])

    *arrived, reason = received(container)

    assert [(each.packet.pts, each.packet.dts, each.seconds) for each in arrived] == [
        (3, 1, 10.5),
        (2, 2, 11.25),
    ]
    assert reason == "the server ended the stream"
    assert container.demuxed == [STREAM]
    assert container.is_closed


def test_one_missing_time_is_that_of_the_other(monkeypatch):
    *arrived, _ = received(Container([packet(None, 4), packet(5, None), packet(0, 7)]))
    assert [(each.packet.pts, each.packet.dts) for each in arrived] == [(4, 4), (5, 5), (0, 7)]


def test_packets_without_times_have_the_time_since_the_connection(monkeypatch):
    clock = iter([10.0, 10.5, 11.256])
    monkeypatch.setattr(connection, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    *arrived, _ = received(Container([packet(None, None), packet(None, None)]))
    assert [(each.packet.pts, each.packet.dts) for each in arrived] == [(50, 50), (126, 126)]


def test_the_time_base_of_mpeg_is_used_if_there_is_none():
    link = Connection(Container(), SimpleNamespace(time_base=None), 10)
    link.close()
    assert link.time_base == Fraction(1, 90_000)


def test_the_buffer_has_the_given_size():
    late = [packet(n, n, size=40, is_keyframe=n == 0) for n in range(4)]
    link = Connection(Container(late), STREAM, 100)
    link._thread.join()
    kept = [link.buffer.get(0) for _ in range(3)]
    assert [each.packet.pts for each in kept[:2]] == [0, 1]
    assert kept[2] == "the server ended the stream"
    link.close()


def test_a_gap_of_dropped_packets_is_noted_once():
    assert Arrived(packet(0, 0), 1.0).num_dropped == 0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (av.error.ConnectionRefusedError(111, "Connection refused", ADDRESS.url), "Connection ref"),
        (OSError(104, "Connection reset by peer"), "Connection reset by peer"),
        (ExitError(1, "Immediate exit requested"), "timeout"),
        (ValueError(ADDRESS.url), "ValueError"),
        (IndexError("an added stream"), "IndexError"),
    ],
)
def test_an_error_ends_the_stream_with_its_reason(error, reason):
    *arrived, ended = received(Container([packet(0, 0)], error=error))
    assert len(arrived) == 1
    assert ended.startswith(reason)
    assert reason_of(error) == ended
    assert "secret" not in ended


def test_closing_stops_reading():
    go_on, given = threading.Event(), []

    def packets():
        for number in range(3):
            given.append(number)
            yield packet(number, number)
            go_on.wait(5)

    link = Connection(Container(packets()), STREAM, 1000)
    assert link.buffer.get(5).packet.pts == 0
    link._stop.set()
    go_on.set()
    link.close()
    assert link.buffer.get(0) is None
    assert given == [0, 1]


@pytest.fixture
def opened(monkeypatch):
    """Open fake containers; note how."""
    calls = []

    def given(container):
        def fake(url, **options):
            calls.append((url, options))
            if isinstance(container, Exception):
                raise container
            return container

        monkeypatch.setattr(av, "open", fake)
        return calls

    return given


@pytest.mark.parametrize(
    ("open_seconds", "probe"), [(10.0, "2000000"), (4.0, "2000000"), (3.0, "1500000")]
)
def test_a_camera_is_opened_with_its_limits(opened, open_seconds, probe):
    container = Container()
    calls = opened(container)
    with connected(ADDRESS, open_seconds=open_seconds, read_seconds=2.5, max_bytes=7) as link:
        assert not container.is_closed
        assert link.stream is STREAM
        assert link.buffer._max_bytes == 7
    assert container.is_closed
    assert calls == [
        (
            ADDRESS.url,
            {
                "options": {"max_redirects": "0", "analyzeduration": probe},
                "timeout": (open_seconds, 2.5),
                "metadata_errors": "replace",
            },
        )
    ]
    assert ADDRESS.options == {"max_redirects": "0"}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(113, "No route to host"), "No route to host"),
        (ExitError(1, "Immediate exit requested"), "timeout"),
        (ValueError(ADDRESS.url), "ValueError"),
        (av.error.HTTPUnauthorizedError(401, "Unauthorized", ADDRESS.url), "Unauthorized"),
    ],
)
def test_a_camera_that_cannot_be_opened_is_an_error_without_the_password(opened, error, reason):
    opened(error)
    with (
        pytest.raises(VideoOpenError) as caught,
        connected(ADDRESS, open_seconds=1, read_seconds=1, max_bytes=1),
    ):
        pass
    assert caught.value.message == f"can't open rtsp://camera/x: {reason}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert caught.value.hint


@pytest.mark.parametrize(
    "streams", [[], [SimpleNamespace(width=0, height=0)], [SimpleNamespace(codec=None)]]
)
def test_a_camera_without_a_video_that_can_be_decoded_is_closed(opened, streams):
    container = Container(streams=streams)
    opened(container)
    with (
        pytest.raises(VideoOpenError, match="rtsp://camera/x has no video stream"),
        connected(ADDRESS, open_seconds=1, read_seconds=1, max_bytes=1),
    ):
        pass
    assert container.is_closed


def test_the_largest_stream_is_recorded(opened):
    sizes = [(64, 48), (10, 400), (100, 39), (1, 1)]
    streams = [SimpleNamespace(time_base=None, width=w, height=h) for w, h in sizes]
    opened(Container(streams=streams))
    with connected(ADDRESS, open_seconds=1, read_seconds=1, max_bytes=1) as link:
        assert link.stream is streams[1]


def test_an_error_in_the_block_closes_the_connection(opened):
    container = Container()
    opened(container)
    with (
        pytest.raises(KeyboardInterrupt),
        connected(ADDRESS, open_seconds=1, read_seconds=1, max_bytes=1),
    ):
        raise KeyboardInterrupt
    assert container.is_closed
