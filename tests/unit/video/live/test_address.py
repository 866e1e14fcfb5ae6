"""Addresses of cameras and their form without secrets."""

import pytest

from tam_video.errors import ConfigError
from tam_video.video.live import is_stream, stream_address


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://user:secret@host/a/b?token=x", "rtsp://host/a/b"),
        ("RTSPS://host:322/a", "rtsps://host:322/a"),
        ("http://[::1]:8080/live.ts#part", "http://[::1]:8080/live.ts"),
        ("https://host/x", "https://host/x"),
        ("udp://@:1234", "udp://:1234"),
    ],
)
def test_what_is_shown_holds_no_password(text, shown):
    address = stream_address(text)
    assert address.shown == shown
    assert address.url == text
    assert "secret" not in repr(address)
    assert "token" not in repr(address)


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "http", "https", "udp"])
def test_no_address_may_open_files_or_playlists(scheme):
    options = stream_address(f"{scheme}://host/x").options
    protocols = options["protocol_whitelist"].split(",")
    assert not {"file", "concat", "data", "pipe", "subfile", "crypto"} & (
        set(protocols) - ({"crypto"} if scheme == "rtsps" else set())
    )
    assert not {"hls", "dash", "concat", "sdp", "image2"} & set(
        options["format_whitelist"].split(",")
    )


def test_a_web_server_can_not_send_elsewhere():
    assert stream_address("http://host/x").options["max_redirects"] == "0"
    assert "https" not in stream_address("http://host/x").options["protocol_whitelist"].split(",")


@pytest.mark.parametrize(
    "text", ["file:///etc/passwd", "concat:a|b", "rtsp://", "http://host:99999999/", "http://[x/"]
)
def test_other_addresses_are_refused(text):
    with pytest.raises(ConfigError):
        stream_address(text)


def test_a_path_is_no_stream():
    assert not is_stream("/a/b.mp4")
    assert not is_stream("s3://bucket/a.mp4")
    assert is_stream("RTSP://host/x")
