"""A real S3 server on loopback, and a proxy in front of it that can do what networks do."""

import http.client
import json
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BUCKET = "photos"
SECRET = "do-not-show-this-key"
_HEADERS = {"Content-Type": "application/octet-stream", "x-amz-acl": "public-read"}
_DROPPED = {"content-length", "connection", "date", "server", "transfer-encoding"}


_SERVER = """
import time
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
time.sleep(10**6)
"""


@contextmanager
def s3_server():
    """The port of a server with an empty bucket."""
    command = [sys.executable, "-c", _SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        try:
            port = int(server.stdout.readline())
            put(port, "")
            yield port
        finally:
            server.kill()


def put(port, key, data=b""):
    """Store an object of the bucket; with the key "", the bucket."""
    quoted = urllib.request.quote(f"/{BUCKET}/{key}" if key else f"/{BUCKET}")
    url = f"http://127.0.0.1:{port}{quoted}"
    urllib.request.urlopen(
        urllib.request.Request(url, data=data, headers=_HEADERS, method="PUT"), timeout=60
    ).close()


def replace(port, address, data):
    """Store other bytes at the address of an object."""
    import obstore
    from obstore.store import S3Store

    endpoint = f"http://127.0.0.1:{port}"
    store = S3Store(BUCKET, endpoint=endpoint, client_options={"allow_http": True})
    obstore.put(store, address.removeprefix(f"s3://{BUCKET}/"), data)


class Proxy:
    """Passes requests on to a server; `fault(path, count)` says what goes wrong with the
    count-th request for a path: a status ("503") and perhaps a body after it, "reset", "short"
    (the body), "lie" (the length), or None.

    port: where it listens. requests: (path, range header) of all that came. signatures: theirs.
    """

    def __init__(self, upstream):
        self.fault = lambda path, count: None
        self.before = lambda path: None
        self.requests = []
        self.signatures = []
        self._methods = []
        proxy, seen = self, Counter()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                seen[self.path] += 1
                proxy.requests.append((self.path, self.headers.get("Range")))
                proxy.signatures.append(self.headers.get("Authorization"))
                proxy._methods.append((self.command, self.path))
                proxy.before(self.path)
                fault = proxy.fault(self.path, seen[self.path])
                if fault and fault[0].isdigit():
                    self._answer(int(fault[:3]), [], fault[3:].encode())
                else:
                    self._pass_on(fault)

            do_HEAD = do_GET  # noqa: N815

            def _pass_on(self, fault):
                connection = http.client.HTTPConnection("127.0.0.1", upstream)
                connection.request(self.command, self.path, headers=dict(self.headers))
                answer = connection.getresponse()
                body = answer.read()
                headers = [each for each in answer.getheaders() if each[0].lower() not in _DROPPED]
                if self.command == "HEAD":
                    headers.append(("Content-Length", answer.headers["Content-Length"]))
                connection.close()
                self._answer(answer.status, headers, body, fault)

            def _answer(self, status, headers, body, fault=None):
                half = body[: len(body) // 2]
                self.send_response(status)
                for header in headers:
                    self.send_header(*header)
                if self.command != "HEAD":
                    self.send_header("Content-Length", str(len(half if fault == "lie" else body)))
                self.end_headers()
                self.wfile.write(half if fault else body)
                self.close_connection = fault is not None
                if fault == "reset":
                    self.wfile.flush()
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.connection.shutdown(socket.SHUT_RD)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def gets(self, part):
        """How many requests there were for paths that hold `part`."""
        return sum(part in path for path, _ in self.requests)

    def methods(self, part):
        """The methods of the requests for paths that hold `part`."""
        return [method for method, path in self._methods if part in path]

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def content(out):
    """The files of a dataset by name, without what it knows of the download."""
    record = json.loads((out / "dataset.json").read_text())
    record["build"]["source"].pop("download", None)
    files = {path.name: path.read_bytes() for path in out.iterdir()}
    return files | {"dataset.json": record}


def counted_together(proxy):
    """Lets each request wait for a moment; the list of how many waited at once grows with them."""
    waiting, together = [], []

    def wait(path):
        waiting.append(path)
        together.append(len(waiting))
        time.sleep(0.2)
        waiting.remove(path)

    proxy.before = wait
    return together
