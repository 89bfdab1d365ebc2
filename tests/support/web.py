"""A web server on the loopback, with or without parts of files."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator


def framed(content: bytes, *, lengths: bool) -> tuple[tuple[str, str], bytes]:
    """The header that tells where an answer ends, and the answer as it is sent."""
    if lengths:
        return ("Content-Length", str(len(content))), content
    pieces = [content[begin : begin + 100_000] for begin in range(0, len(content), 100_000)]
    chunks = (b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])
    return ("Transfer-Encoding", "chunked"), b"".join(chunks)


@contextmanager
def web_server(
    files: dict[str, bytes], *, parts: bool = True, tags: bool = False, lengths: bool = True
) -> Iterator[str]:
    """Serves files over HTTP, by their path with what follows a question mark, however it is spelled.

    Args:
        files: The content of each address. Of any other, it says that there is none.
        parts: Whether parts of a file can be asked for.
        tags: Whether it tells what its content is, as stores do.
        lengths: Whether it tells how long an answer is before it sends it. Else it sends chunks until that is all.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self, *, body: bool) -> None:
            content = files.get(self.path, files.get(unquote(self.path)))
            if content is None:
                self.send_error(404)
                return
            asked = self.headers.get("Range") if parts else None
            begin, end = 0, len(content)
            if asked:
                first, last = asked.removeprefix("bytes=").split("-")
                begin, end = int(first), min(int(last) + 1, end)
                if begin >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(content)}")
            else:
                self.send_response(200)
            self.send_header("Last-Modified", "Mon, 23 Nov 2026 12:00:00 GMT")
            if tags:
                self.send_header("ETag", f'"{hash(content):x}"')
            framing, sent = framed(content[begin:end], lengths=lengths)
            self.send_header(*framing)
            self.end_headers()
            if body:
                self.wfile.write(sent)

        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
