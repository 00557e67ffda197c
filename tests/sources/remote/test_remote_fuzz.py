"""Tables, archives and listings that a server makes up, or that its disk has damaged."""

import gzip
import io
import shutil
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest
from support.fuzz import Kind, needs_limits, trials
from support.images import encode, photo
from support.public_datasets import tar
from support.trees import class_folders

import imgmem
from imgmem.core.sources.remote import download, store

pytest.importorskip("obstore")

IMAGES = {f"{label}/{n}.png": encode(photo(5, 6, n), "PNG") for label in "ab" for n in range(3)}
OBJECT = "<Contents><Key>set/{}</Key><LastModified>2024-10-01T10:00:00.000Z</LastModified>"
OBJECT += '<ETag>"{}"</ETag><Size>{}</Size></Contents>'


def zipped():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in IMAGES.items():
            archive.writestr(name, data)
    return file.getvalue()


def listing():
    objects = "".join(OBJECT.format(name, name, len(data)) for name, data in IMAGES.items())
    head = '<?xml version="1.0"?><ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated>'
    return f"{head}<KeyCount>6</KeyCount><MaxKeys>1000</MaxKeys>{objects}</ListBucketResult>"


TABLE = "\n".join(["path,label", *(f"{name},{name[0]}" for name in IMAGES)]).encode()
KINDS = {
    "table": Kind("t.csv", TABLE),
    "archive": Kind("x.zip", zipped()),
    "compressed archive": Kind(
        "x.tar.gz", gzip.compress(tar(IMAGES)), packed=(gzip.decompress, gzip.compress)
    ),
    "listing": Kind("set", listing().encode()),
}


class Handler(BaseHTTPRequestHandler):
    """Answers any request with the mutated bytes; for an image of a bucket, with the image."""

    protocol_version = "HTTP/1.1"
    mutant = b""

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        data = IMAGES.get(path.removeprefix("/b/set/"), self.mutant)
        self.send_response(200)
        self.send_header("Last-Modified", "Tue, 01 Oct 2024 10:00:00 GMT")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_HEAD = do_GET  # noqa: N815


@pytest.fixture
def address(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    for variable, value in (("ENDPOINT_URL", address), ("SKIP_SIGNATURE", "true")):
        monkeypatch.setenv(f"AWS_{variable}", value)
    monkeypatch.setitem(store.RETRY, "max_retries", 0)
    for module in (store, download):
        monkeypatch.setattr(module.time, "sleep", lambda _: None)
    yield address
    server.shutdown()
    server.server_close()


@needs_limits
@pytest.mark.parametrize("name", KINDS)
def test_whatever_a_server_answers(tmp_path, monkeypatch, address, by_tier, name):
    source = class_folders(tmp_path / "src", {"a": 3, "b": 3}, size=(5, 6))
    for path in sorted(source.rglob("*.png")):
        path.rename(path.with_name(path.name[1:]))

    def make(kind, data):
        monkeypatch.setattr(Handler, "mutant", data)
        if name == "table":
            return source, {"labels": f"{address}/{kind.name}"}
        return ("s3://b/set" if name == "listing" else f"{address}/{kind.name}"), {}

    whole, options = make(KINDS[name], KINDS[name].data)
    assert imgmem.build(whole, tmp_path / "out", size=4, **options).class_counts == {"a": 3, "b": 3}
    shutil.rmtree(tmp_path / "out")
    assert [*trials(tmp_path, make, [name], KINDS, by_tier(12, 120, 3000))] == []
