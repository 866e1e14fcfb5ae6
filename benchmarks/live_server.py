"""A camera on loopback: numbered frames as MPEG-TS over HTTP, at the pace of a clock on the wall.

Each picture holds its own number as black and white blocks, which outlive the encoder. The server
can hang up, or fall silent, for some seconds, and notes down every frame that it sent.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray

_BITS = 20
_BLOCK_PX = 16
_COLUMNS = 10
WIDTH, HEIGHT = _COLUMNS * _BLOCK_PX, 64


def numbered_picture(number: int) -> NDArray[np.uint8]:
    """uint8 [64, 160, 3]: a number as blocks, and a bar that moves."""
    bits = (number >> np.arange(_BITS)) & 1
    picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    rows = bits.reshape(-1, _COLUMNS).repeat(_BLOCK_PX, 0).repeat(_BLOCK_PX, 1)
    picture[: rows.shape[0]] = (rows * 255)[:, :, None]
    left = number * 3 % (WIDTH - 12)
    picture[40:56, left : left + 12] = (220, 60, 40)
    return picture


def read_number(picture: NDArray[np.uint8]) -> int:
    """The number in a picture of `numbered_picture`."""
    middles = picture[_BLOCK_PX // 2 :: _BLOCK_PX, _BLOCK_PX // 2 :: _BLOCK_PX, 1]
    bits = (middles[: _BITS // _COLUMNS].reshape(-1) > 127).astype(int)
    return int((bits << np.arange(_BITS)).sum())


def read_numbers(path: Path) -> list[int]:
    """The numbers of all pictures in a file."""
    with av.open(str(path)) as container:
        return [read_number(f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]


@dataclass(frozen=True)
class Coded:
    """Encoded frames, one piece of MPEG-TS each."""

    pieces: list[bytes]
    is_keyframe: list[bool]
    fps: int


def coded_frames(count: int, *, fps: int = 25, gop: int = 25) -> Coded:
    """Encode numbered frames; each piece can be sent when its moment comes."""
    file = io.BytesIO()
    container = av.open(
        file, "w", format="mpegts", options={"flush_packets": "1", "pat_period": "0.2"}
    )
    stream = container.add_stream("libx264", rate=fps)
    stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    stream.options = {"preset": "ultrafast", "bf": "0", "tune": "zerolatency", "crf": "20"}
    stream.codec_context.gop_size = gop
    pieces: list[bytes] = []
    keys: list[bool] = []

    def take(packets: list[av.Packet]) -> None:
        for packet in packets:
            container.mux_one(packet)
            pieces.append(file.getvalue())
            keys.append(packet.is_keyframe)
            file.seek(0)
            file.truncate()

    for number in range(count):
        frame = av.VideoFrame.from_ndarray(numbered_picture(number), format="rgb24")
        frame.pts = number
        take(stream.encode(frame))
    take(stream.encode(None))
    container.close()
    return Coded(pieces, keys, fps)


@dataclass(frozen=True)
class Drop:
    """An outage: from which second, how long, and of which kind."""

    at_seconds: float
    seconds: float
    kind: Literal["hang up", "silence"] = "hang up"


@dataclass
class LiveServer:
    """Serves one client at a time; frame n is due n / fps seconds after the first connection.

    Attributes:
        coded: what is sent.
        drops: outages, by seconds after the first connection.
        sent: for each connection, the frames that went out whole.
    """

    coded: Coded
    drops: tuple[Drop, ...] = ()
    sent: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener: socket.socket | None = None
        self._began: float | None = None
        self._is_over = threading.Event()
        self._open()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it is served."""
        return f"http://127.0.0.1:{self.port}/live.ts"

    @property
    def began_seconds(self) -> float:
        """When frame 0 was due, by the steady clock; there was a connection."""
        assert self._began is not None
        return self._began

    def close(self) -> None:
        """Hang up."""
        self._is_over.set()
        self._thread.join()

    def __enter__(self) -> LiveServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", getattr(self, "port", 0)))
        listener.listen(1)
        listener.settimeout(0.1)
        self.port = listener.getsockname()[1]
        self._listener = listener

    def _serve(self) -> None:
        while not self._is_over.is_set():
            drop = self._drop_now()
            if drop is not None and drop.kind == "hang up":
                if self._listener is not None:
                    self._listener.close()
                    self._listener = None
                time.sleep(0.05)
                continue
            if self._listener is None:
                self._open()
            try:
                client, _ = self._listener.accept()  # type: ignore[union-attr]
            except TimeoutError:
                continue
            with client:
                client.settimeout(5)
                try:
                    self._send_all(client)
                except OSError:
                    continue
        if self._listener is not None:
            self._listener.close()

    def _send_all(self, client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n")
        if self._began is None:
            self._began = time.monotonic()
        numbers: list[int] = []
        self.sent.append(numbers)
        for number in range(self._next_frame(), len(self.coded.pieces)):
            due = self._began + number / self.coded.fps
            if self._is_over.wait(max(0.0, due - time.monotonic())):
                return
            drop = self._drop_now()
            if drop is not None:
                if drop.kind == "silence":  # the connection stays open, and nothing comes
                    self._is_over.wait(
                        self._began + drop.at_seconds + drop.seconds - time.monotonic()
                    )
                return
            client.sendall(self.coded.pieces[number])
            numbers.append(number)
        self._is_over.wait()

    def _next_frame(self) -> int:
        """The first frame that is not due yet, as a live camera sends it: maybe amid a GOP."""
        passed = time.monotonic() - self.began_seconds
        return max(0, int(passed * self.coded.fps + 0.999))

    def _drop_now(self) -> Drop | None:
        if self._began is None:
            return None
        passed = time.monotonic() - self._began
        return next((d for d in self.drops if 0 <= passed - d.at_seconds < d.seconds), None)
