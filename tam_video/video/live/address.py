"""Parse camera URLs, check their protocols, and hide their passwords.

Only addresses that the user names as cameras are opened. A server can't lead to another address:
each scheme has a short list of protocols, never files, redirects are refused, and playlists (which
contain further addresses) are not among the formats.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tam_video.errors import ConfigError

_HTTP_FORMATS = "mpegts,matroska,webm,mov,mp4,flv,mpjpeg,mjpeg,h264,hevc,mpeg,nut,asf"
_HTTP_OPTIONS = {"max_redirects": "0", "reconnect": "0"}
_SCHEMES: dict[str, tuple[str, str]] = {  # scheme -> protocols, formats
    "rtsp": ("rtsp,rtp,tcp,udp", "rtsp"),
    "rtsps": ("rtsps,rtsp,rtp,srtp,tls,tcp,udp,crypto", "rtsp"),
    "http": ("http,tcp", _HTTP_FORMATS),
    "https": ("https,tls,tcp", _HTTP_FORMATS),
    "udp": ("udp", "mpegts,h264,hevc"),
}


@dataclass(frozen=True, slots=True)
class StreamAddress:
    """A camera's URL, a form of the URL that can be shown, and FFmpeg options.

    Attributes:
        url: URL to open; may contain a password, and is never shown.
        shown: the URL without user, password and query, for messages and files.
        options: FFmpeg options that allow this address only.
    """

    url: str = field(repr=False)
    shown: str
    options: dict[str, str] = field(repr=False)


def is_stream(text: str) -> bool:
    """Return whether a text is a camera URL rather than a path."""
    scheme, separator, _ = text.partition("://")
    return bool(separator) and scheme.lower() in _SCHEMES


def stream_address(text: str, *, rtsp_transport: str = "tcp") -> StreamAddress:
    """Parse a camera URL.

    Args:
        text: `rtsp://`, `rtsps://`, `http://`, `https://` or `udp://`.
        rtsp_transport: "tcp" or "udp".
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise ConfigError("can't parse the camera URL", hint="rtsp://HOST/PATH") from exc
    scheme = parts.scheme.lower()
    known = ", ".join(f"{name}://" for name in _SCHEMES)
    if scheme not in _SCHEMES:
        raise ConfigError(f"{scheme}:// is not supported for cameras", hint=f"supported: {known}")
    if "\0" in text or not (host or scheme == "udp"):
        raise ConfigError(f"a {scheme}:// URL needs a host", hint="rtsp://HOST/PATH")
    protocols, formats = _SCHEMES[scheme]
    options = {"protocol_whitelist": protocols, "format_whitelist": formats}
    if scheme.startswith("rtsp"):
        options["rtsp_transport"] = rtsp_transport
    if scheme.startswith("http"):
        options |= _HTTP_OPTIONS
    shown_host = f"[{host}]" if host and ":" in host else host or ""
    shown = f"{scheme}://{shown_host}{f':{port}' if port else ''}{parts.path}"
    return StreamAddress(text, shown, options)
