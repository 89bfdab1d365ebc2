"""Servers on the loopback: an S3-compatible store that can be told to fail, and a web server with or without parts."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

BUCKET = "corpus"
# A server asks for these two, and believes any.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


class Store:
    """A store that speaks as Amazon S3 does, with one bucket.

    `fault(method, path)` is asked before each request. What it returns is the status that the request is answered with
    instead; `None` lets it through. `heard` counts the requests, and `sent` the bytes of all answers.
    """

    def __init__(self) -> None:
        import boto3
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        self.fault: Callable[[str, str], int | None] = lambda _method, _path: None
        self.heard: Counter[str] = Counter()
        self.sent = 0
        self._application = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        # What a user sets: where the store is, and who asks.
        self.environment = {**CREDENTIALS, "AWS_ENDPOINT_URL": self.endpoint}
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=CREDENTIALS["AWS_REGION"],
        )
        self.client.create_bucket(Bucket=BUCKET)

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.heard[method] += 1
        status = self.fault(method, path)
        if status is not None:
            # What was sent must be read, or the connection cannot be used again.
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response(f"{status} Told To", [("Content-Type", "text/plain"), ("Content-Length", "0")])
            return [b""]
        answer = list(self._application(environ, start_response))
        self.sent += sum(map(len, answer))
        return answer

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.client.close()

    def empty(self) -> None:
        """Removes everything, and any fault."""
        self.fault = lambda _method, _path: None
        self.empty_below("")
        for upload in self.uploads():
            self.client.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
        self.heard.clear()
        self.sent = 0

    def empty_below(self, prefix: str) -> None:
        """Removes everything whose name begins so."""
        for name in self.names(prefix):
            self.client.delete_object(Bucket=BUCKET, Key=name)

    def url(self, name: str) -> str:
        """The address of an object."""
        return f"s3://{BUCKET}/{name}"

    def put(self, name: str, content: bytes | Path) -> str:
        """Stores an object, and returns its address."""
        body = content if isinstance(content, bytes) else content.read_bytes()
        self.client.put_object(Bucket=BUCKET, Key=name, Body=body)
        return self.url(name)

    def get(self, name: str) -> bytes:
        """The content of an object."""
        content = self.client.get_object(Bucket=BUCKET, Key=name)["Body"].read()
        assert isinstance(content, bytes)
        return content

    def names(self, prefix: str = "") -> list[str]:
        """The names of all objects, sorted."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", []))

    def uploads(self) -> list[dict[str, Any]]:
        """The uploads in parts that were begun and neither completed nor taken back."""
        uploads = self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        assert isinstance(uploads, list)
        return uploads

    def copy(self, prefix: str, folder: Path) -> Path:
        """Copies everything whose name begins so into a folder, under the rest of its name."""
        for name in self.names(prefix):
            path = folder / name.removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.get(name))
        return folder


@contextmanager
def web_server(files: dict[str, bytes], *, parts: bool = True, tags: bool = False) -> Iterator[str]:
    """Serves files over HTTP, by their path with what follows a question mark, however it is spelled.

    Args:
        files: The content of each address. Of any other, it says that there is none.
        parts: Whether parts of a file can be asked for.
        tags: Whether it tells what its content is, as stores do.
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
            self.send_header("Content-Length", str(end - begin))
            self.end_headers()
            if body:
                self.wfile.write(content[begin:end])

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
