"""A server that runs in a thread of the tests."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager

import uvicorn

from tam_video.report.server import make_app


@contextmanager
def serving(directory, **options):
    """(address, port) of a server that runs in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(make_app(directory, **options), log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    port = listener.getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}", port
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
