"""Which addresses are opened, with which protocols, and what is told of them.

An address is opened only because a person has named it as a camera. What its server says can lead
nowhere else: each scheme has its own short list of protocols, files are never among them,
redirects are refused, and playlists (which name further addresses) are no known format here.
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
    """The address of a camera.

    Attributes:
        url: as it is opened; may hold a password, and is never shown.
        shown: the same without user, password and query, for people and files.
        options: FFmpeg's options that open it and nothing else.
    """

    url: str = field(repr=False)
    shown: str
    options: dict[str, str] = field(repr=False)


def is_stream(text: str) -> bool:
    """Whether a text is the address of a camera, and no path."""
    scheme, found, _ = text.partition("://")
    return bool(found) and scheme.lower() in _SCHEMES


def stream_address(text: str, *, rtsp_transport: str = "tcp") -> StreamAddress:
    """Read the address of a camera.

    Args:
        text: `rtsp://`, `rtsps://`, `http://`, `https://` or `udp://`.
        rtsp_transport: "tcp" or "udp".

    Raises:
        ConfigError: another scheme, or no host.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise ConfigError("the address of a camera can't be read", hint="rtsp://HOST/PATH") from exc
    scheme = parts.scheme.lower()
    known = ", ".join(f"{name}://" for name in _SCHEMES)
    if scheme not in _SCHEMES:
        raise ConfigError(f"{scheme}:// is no address of a camera", hint=f"known: {known}")
    if "\0" in text or not (host or scheme == "udp"):
        raise ConfigError(f"an address of {scheme}:// names no host", hint="rtsp://HOST/PATH")
    protocols, formats = _SCHEMES[scheme]
    options = {"protocol_whitelist": protocols, "format_whitelist": formats}
    if scheme.startswith("rtsp"):
        options["rtsp_transport"] = rtsp_transport
    if scheme.startswith("http"):
        options |= _HTTP_OPTIONS
    place = f"[{host}]" if host and ":" in host else host or ""
    shown = f"{scheme}://{place}{f':{port}' if port else ''}{parts.path}"
    return StreamAddress(text, shown, options)
