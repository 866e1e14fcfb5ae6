"""`tam-video serve`: what it hands out, what it refuses, and how it says so."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys

import pytest
from report_serving import serving

from tam_video.errors import ConfigError, InputError
from tam_video.report.server import make_app, serve


def ask(port, path, *, method="GET", **headers):
    """(status, headers, body); the path is sent as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    got = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    connection.close()
    return got


@pytest.fixture(scope="module")
def port(served):
    return served[1]


def test_range_requests_return_the_right_bytes(port, reported):
    data = (reported / "one" / "clip.mp4").read_bytes()
    status, headers, body = ask(port, "/one/clip.mp4", Range="bytes=100-199")
    assert (status, body) == (206, data[100:200])
    assert headers["content-range"] == f"bytes 100-199/{len(data)}"
    assert headers["content-type"] == "video/mp4"
    assert ask(port, "/one/clip.mp4", Range="bytes=-10")[2] == data[-10:]
    assert ask(port, "/one/clip.mp4", Range=f"bytes={len(data)}-")[0] == 416
    status, headers, body = ask(port, "/one/clip.mp4", method="HEAD")
    assert (status, body, headers["accept-ranges"]) == (200, b"", "bytes")
    assert int(headers["content-length"]) == len(data)


def test_pages_come_with_their_policy_and_files_with_none(port):
    for path in ("/", "/index.html", "/one/report.html", "/one/clip.mp4", "/nothing"):
        _, headers, _ = ask(port, path)
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert ("script-src 'sha256-" in policy) == path.endswith((".html", "/"))


def test_pages_are_rendered_from_the_runs_not_read_from_files(port, reported):
    page = reported / "one" / "report.html"
    kept = page.read_bytes()
    try:
        page.write_text("<script>alert(1)</script>")
        status, _, body = ask(port, "/one/report.html")
    finally:
        page.write_bytes(kept)
    assert status == 200
    assert b"alert(1)" not in body
    assert b'href="/"' in body


@pytest.mark.parametrize(
    "path",
    [
        "/../plan.png",
        "/one/../../plan.png",
        "/one/%2e%2e/%2e%2e/plan.png",
        "/one/..%2f..%2fplan.png",
        "/one/..%5c..%5cplan.png",
        "//etc/passwd",
        "/%00",
        "/one/",
        "/one",
        "/one//clip.mp4",
        "/one/.hidden.json",
        "/one/leak.json",
        "/outside/clip.mp4",
        "/one/notes.txt",
        "/one/other.html",
        "/loose.json",
        "/one/clip.mp4/x",
        "/" + "a" * 5000,
    ],
)
def test_files_outside_of_runs_are_not_served(port, reported, path):
    (reported / "one" / ".hidden.json").write_text("{}")
    (reported / "one" / "notes.txt").write_text("private")
    (reported / "one" / "other.html").write_text("<script>1</script>")
    (reported / "loose.json").write_text("{}")
    for name, target in (("one/leak.json", "/etc/hostname"), ("outside", reported.parent)):
        if not (reported / name).is_symlink():
            (reported / name).symlink_to(target)
    status, headers, body = ask(port, path)
    assert status == 404
    assert body == b"not found"
    assert headers["content-type"].startswith("text/plain")


def test_only_get_and_head_are_allowed(port):
    for method in ("POST", "PUT", "DELETE"):
        assert ask(port, "/", method=method)[0] == 405


def test_other_host_names_are_refused(port):
    assert ask(port, "/", Host="evil.example")[0] == 421
    for host in (f"localhost:{port}", "127.0.0.1", f"[::1]:{port}"):
        assert ask(port, "/", Host=host)[0] == 200


def test_an_access_token_sets_a_cookie(reported):
    with serving(reported, token="sesame-sesame") as (_, port):
        assert ask(port, "/")[0] == 401
        assert ask(port, "/one/clip.mp4")[0] == 401
        assert ask(port, "/?token=wrong")[0] == 401
        assert ask(port, "/", Cookie="tam_video_token=wrong")[0] == 401
        status, headers, _ = ask(port, "//one/report.html?token=sesame-sesame")
        assert (status, headers["location"]) == (303, "/one/report.html")
        cookie = headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert ask(port, "/", Cookie=cookie.partition(";")[0])[0] == 200
        assert ask(port, "/", Authorization="Bearer sesame-sesame")[0] == 200
        assert ask(port, "/", Authorization="Bearer wrong")[0] == 401


def test_a_single_run_is_opened_directly(reported):
    with serving(reported / "one") as (_, port):
        status, headers, _ = ask(port, "/")
        assert (status, headers["location"]) == (307, "/report.html")
        status, _, body = ask(port, "/report.html")
        assert status == 200
        assert b"All runs" not in body


def test_a_damaged_run_is_an_error(reported, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "manifest.json").write_text("{}")
    (run / "explanation.json").write_text("{}")
    with serving(tmp_path) as (_, port):
        status, _, body = ask(port, "/run/report.html")
    assert status == 404
    assert b"not a finished run" in body


def test_invalid_settings_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="no access token"):
        serve(tmp_path, host="0.0.0.0")
    with pytest.raises(ConfigError, match="token"):
        serve(tmp_path, token="short")
    with pytest.raises(InputError, match="not a folder"):
        make_app(tmp_path / "none")


def test_the_command_prints_its_address_and_ends_on_interrupt(reported):
    command = [sys.executable, "-m", "tam_video", "serve", str(reported), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--access-token", "auto"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        address = process.stdout.readline().strip()
        result = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\?token=([\w-]{20,})", address)
        assert result, address
        port = int(result[1])
        assert ask(port, f"/?token={result[2]}")[0] == 303
        assert ask(port, "/")[0] == 401
        taken = subprocess.run(
            [*command[:-1], str(port)], capture_output=True, text=True, timeout=60
        )
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[1]
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert taken.returncode == 2
    assert "can't listen" in taken.stderr
