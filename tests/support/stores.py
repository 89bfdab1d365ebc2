"""Object stores on the loopback, each behind a server that can be told to fail."""

from __future__ import annotations

import http.client
import importlib.util
import itertools
import json
import shutil
import subprocess
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

BUCKET = "corpus"
# Headers that WSGI does not name as the others.
BODY_HEADERS = ("CONTENT_TYPE", "CONTENT_LENGTH")
# Headers that say nothing of what is answered.
CONNECTION_HEADERS = {"connection", "keep-alive", "transfer-encoding"}


class Store(ABC):
    """A store with one bucket, behind a server of ours.

    `fault(method, path)` is asked before each request, with the path as `/BUCKET/NAME`. What it returns is the status
    that the request is answered with instead; `None` lets it through. `modified` is when everything was put there, as
    the header `Last-Modified` has it, if the store is to say so. `parts` counts the requests that bring a part of an
    object, and `sent` the bytes of all answers.
    """

    scheme: str
    # A variable that a user without permission is told to set.
    credential: str
    # What marks the address of a request that brings a part of an object.
    part: str
    # What stands before the bucket in the path of each request.
    account = ""

    def __init__(self) -> None:
        from werkzeug.serving import make_server

        self.fault: Callable[[str, str], int | None] = lambda _method, _path: None
        self.modified: str | None = None
        self.parts = 0
        self.sent = 0
        self._counting = threading.Lock()
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    @property
    @abstractmethod
    def environment(self) -> dict[str, str]:
        """What a user sets: where the store is, and who asks."""

    @abstractmethod
    def put(self, name: str, content: bytes | Path) -> str:
        """Stores an object, and returns its address."""

    @abstractmethod
    def get(self, name: str) -> bytes:
        """The content of an object."""

    @abstractmethod
    def names(self, prefix: str = "") -> list[str]:
        """The names of all objects, sorted."""

    @abstractmethod
    def uploads(self) -> list[str]:
        """The names of the uploads in parts that were begun and neither completed nor taken back."""

    @abstractmethod
    def _remove(self, name: str) -> None:
        """Removes an object."""

    @abstractmethod
    def _ask(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Has the store answer a request."""

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix(self.account)
        with self._counting:
            self.parts += method == "PUT" and self.part in environ["QUERY_STRING"]
        status = self.fault(method, path)
        if status is not None:
            # What was sent must be read, or the connection cannot be used again.
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response(f"{status} Told To", [("Content-Type", "text/plain"), ("Content-Length", "0")])
            return [b""]

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            if self.modified is not None:
                told = ((name, value) for name, value in headers if name.lower() != "last-modified")
                headers = [*told, ("Last-Modified", self.modified)]
            return start_response(status, headers, *rest)

        answer = list(self._ask(environ, start))
        with self._counting:
            self.sent += sum(map(len, answer))
        return answer

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def empty(self) -> None:
        """Removes everything, any fault, and what is said of time."""
        self.fault = lambda _method, _path: None
        self.modified = None
        self.empty_below("")
        self.parts = self.sent = 0

    def empty_below(self, prefix: str) -> None:
        """Removes everything whose name begins so."""
        for name in self.names(prefix):
            self._remove(name)

    def url(self, name: str) -> str:
        """The address of an object."""
        return f"{self.scheme}://{BUCKET}/{name}"

    def copy(self, prefix: str, folder: Path) -> Path:
        """Copies everything whose name begins so into a folder, under the rest of its name."""
        for name in self.names(prefix):
            path = folder / name.removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.get(name))
        return folder


class AmazonStore(Store):
    """A store that speaks as Amazon S3 does: moto, in this process."""

    scheme = "s3"
    credential = "AWS_ACCESS_KEY_ID"
    part = "partNumber="

    def __init__(self) -> None:
        import boto3
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self._application = DomainDispatcherApplication(create_backend_app)
        super().__init__()
        # The server asks for these, and believes any.
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id="key",
            aws_secret_access_key="secret",  # noqa: S106 - It protects nothing.
            region_name="us-east-1",
        )
        self._client.create_bucket(Bucket=BUCKET)

    @property
    def environment(self) -> dict[str, str]:
        credentials = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
        return {**credentials, "AWS_ENDPOINT_URL": self.endpoint}

    def _ask(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer: Iterable[bytes] = self._application(environ, start_response)
        return answer

    def close(self) -> None:
        super().close()
        self._client.close()

    def empty(self) -> None:
        super().empty()
        for upload in self._uploads():
            self._client.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])

    def put(self, name: str, content: bytes | Path) -> str:
        body = content if isinstance(content, bytes) else content.read_bytes()
        self._client.put_object(Bucket=BUCKET, Key=name, Body=body)
        return self.url(name)

    def get(self, name: str) -> bytes:
        content = self._client.get_object(Bucket=BUCKET, Key=name)["Body"].read()
        assert isinstance(content, bytes)
        return content

    def names(self, prefix: str = "") -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", []))

    def _uploads(self) -> list[dict[str, Any]]:
        uploads = self._client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        assert isinstance(uploads, list)
        return uploads

    def uploads(self) -> list[str]:
        return [upload["Key"] for upload in self._uploads()]

    def _remove(self, name: str) -> None:
        self._client.delete_object(Bucket=BUCKET, Key=name)


class GoogleStore(AmazonStore):
    """A store that speaks as Google Cloud Storage does.

    Google's XML interface is Amazon's, but for its conditions: each writing of an object gives it a new generation, and
    a request can ask for one of them, or for none (https://cloud.google.com/storage/docs/xml-api/reference-headers).
    """

    scheme = "gs"
    credential = "GOOGLE_APPLICATION_CREDENTIALS"

    def __init__(self) -> None:
        self._generations: dict[str, int] = {}
        self._next = itertools.count(1)
        self._writing = threading.Lock()
        super().__init__()

    @property
    def environment(self) -> dict[str, str]:
        # An account that asks nobody for a token; only reading is done without any.
        account = {"disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
        return {"GOOGLE_BASE_URL": self.endpoint, "GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(account)}

    def _ask(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        # An empty token is that of nobody, to whom moto gives nothing; it believes whoever signs as Amazon's users do.
        if environ.get("HTTP_AUTHORIZATION", "Bearer").startswith("Bearer"):
            environ["HTTP_AUTHORIZATION"] = "AWS4-HMAC-SHA256 Credential=key/20261123/us-east-1/s3/aws4_request"
        path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
        writes = environ["REQUEST_METHOD"] in {"PUT", "POST", "DELETE"} and self.part not in query

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            if status.startswith("2") and path in self._generations:
                headers = [*headers, ("x-goog-generation", str(self._generations[path]))]
            return start_response(status, headers, *rest)

        if not writes:
            return super()._ask(environ, start)
        with self._writing:
            asked = environ.get("HTTP_X_GOOG_IF_GENERATION_MATCH")
            if asked is not None and int(asked) != self._generations.get(path, 0):
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                start_response("412 Precondition Failed", [("Content-Length", "0")])
                return [b""]
            if environ["REQUEST_METHOD"] == "DELETE":
                self._generations.pop(path, None)
            elif "uploads" not in query:
                self._generations[path] = next(self._next)
            return super()._ask(environ, start)


class AzureStore(Store):
    """A store that speaks as Azure Blob Storage does: Azurite, a program from the npm registry."""

    scheme = "az"
    credential = "AZURE_STORAGE_ACCOUNT_KEY"
    part = "comp=block&"
    # The account that Azurite has, and its key, which everybody knows:
    # https://learn.microsoft.com/azure/storage/common/storage-use-azurite
    account = "/devstoreaccount1"
    KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

    def __init__(self) -> None:
        from azure.storage.blob import ContainerClient

        program = self.program()
        assert program is not None
        place = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence"]
        options = ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
        self._process = subprocess.Popen([program, *place, *options], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        # It tells where it is when it can be asked.
        said = next(line for line in self._process.stdout if "listens on" in line)
        self._place = said.rpartition("http://")[2].strip()
        super().__init__()
        self._client: Any = ContainerClient(self.endpoint + self.account, BUCKET, credential=self.KEY)
        self._client.create_container()

    @staticmethod
    def program() -> str | None:
        """Where Azurite is installed, if it is."""
        return shutil.which("azurite-blob")

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AZURE_STORAGE_ACCOUNT_NAME": self.account.removeprefix("/"),
            "AZURE_STORAGE_ACCOUNT_KEY": self.KEY,
            "AZURE_STORAGE_USE_EMULATOR": "true",
            "AZURITE_BLOB_STORAGE_URL": self.endpoint,
        }

    def _ask(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        headers = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
        headers |= {name.replace("_", "-"): environ[name] for name in BODY_HEADERS if environ.get(name)}
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        connection = http.client.HTTPConnection(self._place, timeout=30)
        try:
            # The address as it was spelled: the signature is one of exactly these characters.
            connection.request(environ["REQUEST_METHOD"], environ["REQUEST_URI"], body, headers)
            answer = connection.getresponse()
            kept = [header for header in answer.getheaders() if header[0].lower() not in CONNECTION_HEADERS]
            start_response(f"{answer.status} {answer.reason}", kept)
            return [answer.read()]
        finally:
            connection.close()

    def close(self) -> None:
        self._client.close()
        super().close()
        self._process.terminate()
        self._process.communicate(timeout=30)

    def put(self, name: str, content: bytes | Path) -> str:
        body = content if isinstance(content, bytes) else content.read_bytes()
        self._client.upload_blob(name, body, overwrite=True)
        return self.url(name)

    def get(self, name: str) -> bytes:
        content = self._client.download_blob(name).readall()
        assert isinstance(content, bytes)
        return content

    def names(self, prefix: str = "") -> list[str]:
        return sorted(self._client.list_blob_names(name_starts_with=prefix))

    def uploads(self) -> list[str]:
        """None can be taken back: Azure forgets parts that are not completed by itself, after a week."""
        return []

    def _remove(self, name: str) -> None:
        self._client.delete_blob(name)


def missing(kind: type[Store]) -> str | None:
    """What this machine lacks for such a store, if it lacks something."""
    modules = ["azure.storage.blob"] if kind is AzureStore else ["boto3", "moto.moto_server"]
    if kind is AzureStore and AzureStore.program() is None:
        return "azurite-blob is not installed"
    lacks = [name for name in modules if importlib.util.find_spec(name.partition(".")[0]) is None]
    return f"{lacks[0]} is not installed" if lacks else None
