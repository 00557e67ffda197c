import pytest
from support.stores import BUCKET, SECRET, Proxy, put, s3_server

from imgmem.core.sources.remote import download, store


@pytest.fixture(scope="session")
def server():
    pytest.importorskip("obstore")
    pytest.importorskip("moto")
    with s3_server() as port:
        yield port


@pytest.fixture
def proxy(server, monkeypatch):
    """The way to the server, which the environment names as the AWS tools do."""
    proxy = Proxy(server)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    yield proxy
    proxy.close()


@pytest.fixture
def stored(server, proxy, request):
    """Stores a folder under a prefix of its own; returns the address."""

    def store(folder, **more):
        test = f"{request.node.path.stem}/{request.node.name}"
        prefix = f"{test}/set".replace("[", "-").replace("]", "")
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                put(server, f"{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())
        for name, data in more.items():
            put(server, f"{prefix}/{name}", data)
        return f"s3://{BUCKET}/{prefix}"

    return store


@pytest.fixture
def impatient(monkeypatch):
    """Downloads in small pieces, which are not asked for again."""
    monkeypatch.setitem(store.RETRY, "max_retries", 0)
    monkeypatch.setattr(store, "CHUNK", 1000)
    monkeypatch.setattr(download.time, "sleep", lambda _: None)
