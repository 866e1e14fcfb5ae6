"""Serve the runs in a folder to a browser, by default only on this machine.

Pages are rendered from the run folders, with their Content-Security-Policy. Other files are served
only if their type is listed, with range requests, so that videos seek. Nothing is written.
"""

from __future__ import annotations

import hmac
import re
import secrets
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tam_video.errors import ConfigError, InputError, RunFolderError, optional_import
from tam_video.report.index import INDEX, find_runs, render_index
from tam_video.report.page import Page
from tam_video.report.writing import REPORT, render_report

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "::1", "localhost")
DEFAULT_PORT = 8642
COOKIE = "tam_video_token"

_TYPES = {
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".vtt": "text/vtt; charset=utf-8",
    ".srt": "text/plain; charset=utf-8",
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
    ".npz": "application/octet-stream",
}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-cache",
}
_TOKEN = re.compile(r"[A-Za-z0-9._~-]{8,200}")
_NO_PAGE_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"


def make_app(
    directory: str | Path, *, token: str | None = None, hosts: tuple[str, ...] = LOOPBACK
) -> Starlette:
    """Create an ASGI application that serves the runs in a folder.

    Args:
        directory: a run folder, or a folder that contains some.
        token: access token: `?token=...` once, then a cookie; None for no token.
        hosts: allowed values of the Host header; others are refused against DNS rebinding.

    Raises:
        InputError: the folder does not exist.
        MissingDependencyError: starlette is not installed.
    """
    with optional_import("starlette is not installed", install="'tam-video[serve]'"):
        from starlette.applications import Starlette
        from starlette.middleware import Middleware
        from starlette.routing import Route
    root = Path(directory)
    if not root.is_dir():
        raise InputError(
            f"{root} is not a folder", hint="pass a run folder, or a folder that contains runs"
        )
    site = _Site(root.resolve())
    return Starlette(
        routes=[Route("/{path:path}", site.answer, methods=["GET", "HEAD"])],
        middleware=[Middleware(_Guard, token=token, hosts=hosts)],
    )


def serve(
    directory: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    token: str | None = None,
    on_start: Callable[[str], None] | None = None,
) -> None:
    """Serve the runs in a folder until interrupted.

    Args:
        directory: a run folder, or a folder that contains some.
        host: address to listen on; one that other machines can reach needs a token.
        port: port to listen on; 0 for a free one.
        token: see `make_app`; "auto" generates one.
        on_start: called with the address to open.

    Raises:
        ConfigError: the address can't be bound, or needs a token.
        InputError: the folder does not exist.
        MissingDependencyError: starlette or uvicorn is not installed.
    """
    if host not in LOOPBACK and not token:
        raise ConfigError(
            f"--host {host} lets other machines connect, but there is no access token",
            hint="pass --access-token auto, or omit --host",
        )
    with optional_import("uvicorn is not installed", install="'tam-video[serve]'"):
        import uvicorn
    secret = secrets.token_urlsafe(18) if token == "auto" else token  # noqa: S105  # a word
    if secret is not None and not _TOKEN.fullmatch(secret):
        raise ConfigError(
            "the access token must have at least 8 characters from A-Z, a-z, 0-9 and -._~",
            hint="pass --access-token auto to generate a token",
        )
    hosts = LOOPBACK if host in LOOPBACK else ()
    app = make_app(directory, token=secret, hosts=hosts)
    with _listen(host, port) as listener:
        name = f"[{host}]" if ":" in host else host
        address = f"http://{name}:{listener.getsockname()[1]}/"
        if on_start is not None:
            on_start(f"{address}?token={secret}" if secret else address)
        config = uvicorn.Config(app, log_level="warning", server_header=False, lifespan="off")
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()  # requests may arrive as soon as the address is printed
    except (OSError, OverflowError) as exc:
        listener.close()
        raise ConfigError(
            f"can't listen on {host}:{port}: {exc}",
            hint="choose another --port, or pass --port 0 to use any free port",
        ) from exc
    return listener


class _Site:
    """Responds to requests for pages and files."""

    def __init__(self, root: Path) -> None:
        self.root = root

    async def answer(self, request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool

        return await run_in_threadpool(self.find, str(request.path_params["path"]))

    def find(self, path: str) -> Response:
        """Return the response for a URL path: a page, a file of a run, or status 404."""
        from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse

        try:
            if path in ("", INDEX):
                runs = find_runs(self.root)
                if runs == [self.root]:
                    return RedirectResponse(f"/{REPORT}")
                return _page(render_index(runs, self.root))
            file = self._inside(path)
            if file is not None and file.name == REPORT:
                return _page(
                    render_report(file.parent, index_url=None if file.parent == self.root else "/")
                )
        except RunFolderError as exc:
            return PlainTextResponse(exc.message, 404)
        kind = _TYPES.get(file.suffix.lower()) if file is not None else None
        if file is None or kind is None or not file.is_file():
            return PlainTextResponse("not found", 404)
        return FileResponse(file, media_type=kind)

    def _inside(self, path: str) -> Path | None:
        """Return the file for a URL path, or None if the resolved path is not in a run folder."""
        parts = path.split("/")
        if any(part in ("", ".", "..") or part.startswith(".") for part in parts):
            return None
        if any(character in path for character in "\\\0"):
            return None
        try:
            file = self.root.joinpath(*parts).resolve()
        except (OSError, ValueError):
            return None
        is_in_run = file.is_relative_to(self.root) and (file.parent / "manifest.json").is_file()
        return file if is_in_run else None


def _page(page: Page) -> Response:
    from starlette.responses import Response

    headers = {"Content-Security-Policy": f"{page.policy}; frame-ancestors 'none'"}
    return Response(page.encoded(), media_type="text/html; charset=utf-8", headers=headers)


class _Guard:
    """Rejects requests with a wrong host name or without the token, and adds security headers."""

    def __init__(self, app: ASGIApp, *, token: str | None, hosts: tuple[str, ...]) -> None:
        self.app = app
        self.token = token
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.datastructures import MutableHeaders
        from starlette.requests import Request
        from starlette.types import Message

        if scope["type"] != "http":
            return
        app: Callable[[Scope, Receive, Send], Awaitable[None]]
        app = self._refusal(Request(scope)) or self.app

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Content-Security-Policy", _NO_PAGE_POLICY)
            await send(message)

        await app(scope, receive, with_headers)

    def _refusal(self, request: Request) -> Response | None:
        """Return an error response if the request is rejected, or None if it is allowed."""
        from starlette.responses import PlainTextResponse, RedirectResponse

        if self.hosts and _host_name(request.headers.get("host", "")) not in self.hosts:
            return PlainTextResponse("unknown host name", 421)
        if self.token is None or self._fits(request.cookies.get(COOKIE)):
            return None
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._fits(shown):
            return None
        if not self._fits(request.query_params.get("token")):
            return PlainTextResponse("a token is needed: open the address with ?token=", 401)
        answer = RedirectResponse(f"/{request.url.path.lstrip('/')}", 303)
        answer.set_cookie(COOKIE, self.token, httponly=True, samesite="strict")
        return answer

    def _fits(self, shown: str | None) -> bool:
        return shown is not None and hmac.compare_digest(
            shown.encode("utf-8", "replace"), (self.token or "").encode()
        )


def _host_name(header: str) -> str:
    """Return the host name from a Host header, without port or brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()
