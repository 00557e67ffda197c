"""Archives on web servers that answer in their own ways."""

import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from support.images import encode, photo
from support.stores import SECRET

import imgmem as api
from imgmem.core.errors import InputError, ResourceError
from imgmem.core.sources.remote import download, host, store

pytest.importorskip("obstore")

WHEN = ("Last-Modified", "Tue, 01 Oct 2024 10:00:00 GMT")


def archive():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as packed:
        for number in range(8):
            image = encode(photo(40, 50, number), "PNG")
            packed.writestr(f"{'ant' if number % 2 else 'bee'}/{number}.png", image)
    return data.getvalue()


class Handler(BaseHTTPRequestHandler):
    """Answers a request for /KIND/x.zip in the way of that kind."""

    whole = archive()
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.requests.append((self.command, self.path))
        getattr(self, urlsplit(self.path).path.split("/")[1])()

    do_HEAD = do_GET  # noqa: N815

    def send(self, status, body=b"", *headers, length=None):
        self.send_response(status)
        for header in (WHEN, *headers):
            self.send_header(*header)
        if length is not False:
            self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def plain(self):
        self.send(200, self.whole)

    def moved(self):
        self.send(302, b"", ("Location", f"/plain/x.zip?sig={SECRET}"))

    def moved_and_failing(self):
        self.send(302, b"", ("Location", f"/failing/x.zip?sig={SECRET}"))

    def failing(self):
        self.send(500, SECRET.encode())

    def in_circles(self):
        self.send(302, b"", ("Location", self.path))

    def refusing_head(self):
        self.send(403) if self.command == "HEAD" else self.plain()

    def empty_head(self):
        self.send(200) if self.command == "HEAD" else self.plain()

    def weak(self):
        self.send(200, self.whole, ("ETag", 'W/"x"'))

    def without_length(self):
        self.send(200, self.whole, ("Connection", "close"), length=False)
        self.close_connection = True

    def without_ranges(self):
        """Breaks off once, and sends all of it whatever part is asked for."""
        first = self.server.requests.count(("GET", self.path)) == 1
        self.send(
            200, self.whole[: len(self.whole) // 2] if first else self.whole, length=len(self.whole)
        )
        self.close_connection = first

    def gone(self):
        self.send(410)

    def login(self):
        self.send(401)


class Server:
    def __init__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.requests = []
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setitem(store.RETRY, "max_retries", 0)
    monkeypatch.setattr(store, "CHUNK", 1000)
    monkeypatch.setattr(download.time, "sleep", lambda _: None)
    server = Server()
    yield server
    server.close()


@pytest.mark.parametrize(
    "kind", ["plain", "moved", "refusing_head", "empty_head", "weak", "without_ranges"]
)
def test_it_is_read(server, tmp_path, kind):
    result = api.build(f"{server.address}/{kind}/x.zip", tmp_path / "out", size=8)
    assert result.class_counts == {"ant": 4, "bee": 4}
    for path in (tmp_path / "out").iterdir():
        assert SECRET.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("source", "endpoint"),
    [
        ("https://nowhere.invalid/x.zip", ""),
        ("s3://bucket/images", "http://nowhere.invalid:9000"),
    ],
)
def test_a_server_that_nobody_knows_is_looked_up_three_times(
    tmp_path, monkeypatch, source, endpoint
):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setattr(host.time, "sleep", lambda _: None)
    look_up, asked = host.socket.getaddrinfo, []

    def counted(name, port):
        asked.append(name)
        return look_up(name, port)

    monkeypatch.setattr(host.socket, "getaddrinfo", counted)
    with pytest.raises(ResourceError, match="there is no server nowhere"):
        api.build(source, tmp_path / "out", size=8)
    assert asked == ["nowhere.invalid"] * host.TRIES


def test_a_resolver_that_fails_once_is_asked_again(server, tmp_path, monkeypatch):
    monkeypatch.setattr(host, "PAUSE", 0)
    look_up, failures = host.socket.getaddrinfo, [host.socket.gaierror(-3, "try again")]

    def fail_once(*arguments):
        if failures:
            raise failures.pop()
        return look_up(*arguments)

    monkeypatch.setattr(host.socket, "getaddrinfo", fail_once)
    assert api.build(f"{server.address}/plain/x.zip", tmp_path / "out", size=8).class_counts == {
        "ant": 4,
        "bee": 4,
    }
    assert not failures


def test_names_that_a_proxy_knows_are_not_looked_up(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.address)
    result = api.build("http://nowhere.invalid/plain/x.zip", tmp_path / "out", size=8)
    assert result.class_counts == {"ant": 4, "bee": 4}


@pytest.mark.parametrize(
    ("kind", "error", "code", "says"),
    [
        ("without_length", InputError, 3, "does not say how large"),
        ("gone", InputError, 3, "there is nothing at"),
        ("login", ResourceError, 5, "If it needs a login, download it by hand"),
        ("failing", ResourceError, 5, "500"),
        ("moved_and_failing", ResourceError, 5, "500"),
        ("in_circles", ResourceError, 5, "Check the network and the server"),
    ],
)
def test_it_is_said_why_it_cannot_be(server, tmp_path, kind, error, code, says):
    with pytest.raises(error) as caught:
        api.build(f"{server.address}/{kind}/x.zip", tmp_path / "out", size=8, on_error="skip")
    assert caught.value.exit_code == code
    said = f"{caught.value} {caught.value.hint} {caught.value.facts}"
    assert says in said
    assert SECRET not in said
    assert "AWS" not in said
