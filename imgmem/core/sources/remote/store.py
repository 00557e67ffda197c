"""Requests to an object store: the only user of obstore.

obstore repeats a request that fails, and resumes a body that breaks off where it broke off. What
still fails then is the fault of the store or of the way to it, never of an image.
"""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import unquote

from imgmem.core.errors import ImgmemError, InputError, RejectedImage, ResourceError, UsageError
from imgmem.core.sources.files import UNREADABLE
from imgmem.core.sources.remote.aws import aws_options, endpoint_in_environment
from imgmem.core.sources.remote.host import require_known
from imgmem.core.sources.remote.waiting import each_waited, waited

SCHEMES = ("s3", "s3a", "gs", "az", "abfs", "abfss", "https", "http")
PAGE = 1000
"""Objects that one request lists."""
RETRY: dict[str, Any] = {
    "max_retries": 10,
    "retry_timeout": timedelta(minutes=3),
    "backoff": {
        "init_backoff": timedelta(seconds=0.3),
        "max_backoff": timedelta(seconds=10),
        "base": 4,
    },
}
"""Pauses are random, up to `base` times the one before: most often half a minute in all."""
CHUNK = 2**18
"""Bytes of a large object that are passed on at once; a break loses what is not a whole one."""
LIST_AGAIN = 5
"""How often a page that breaks off is requested again, which obstore does not do."""
_CLIENT = {"timeout": "1h", "read_timeout": "30s", "connect_timeout": "10s"}

_STATUS = re.compile(r"status code: (\d{3} [A-Za-z -]*[A-Za-z])")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_ADDRESSES = re.compile(r"\w+://\S+")


_ADVICE = (
    (("Skewed",), "Set the clock of this machine"),
    (
        ("401 ", "403 ", "redential", "169.254", "Token", "AccessKeyId", "Signature"),
        "Check your credentials for the store (AWS_SKIP_SIGNATURE=true is for a public bucket)",
    ),
    (("301 ", "region", "redirect", "Malformed"), "Set AWS_REGION to the region of the bucket"),
)
"""What to do about a failure whose text has one of these."""


class StorePlace(NamedTuple):
    """Where something is: in the store `root` (s3://bucket), under `key`, "" for all of it."""

    root: str
    key: str

    @classmethod
    def of(cls, address: str) -> "StorePlace":
        """Raises UsageError for an address of an unknown kind, without a bucket, or that leads
        upwards."""
        scheme, _, rest = address.partition("://")
        bucket, _, key = rest.partition("/")
        if scheme.lower() not in SCHEMES or not bucket or {".", ".."} & set(key.split("/")):
            raise UsageError(
                f"{address} is not an address that imgmem reads: s3://BUCKET/PREFIX, gs:// or "
                "az://, or https:// for one archive",
                hint="Copy it to a local disk, or mount it, and give that path.",
            )
        key = unquote(key) if scheme.lower().startswith("http") else key
        return cls(f"{scheme.lower()}://{bucket}", key.strip("/"))


class StoredObject(NamedTuple):
    """What a store says of an object. modified_ns: by the clock of the store."""

    key: str
    size: int
    modified_ns: int
    etag: str


class Store:
    """One bucket, or one server. May be used from several threads."""

    def __init__(self, root: str) -> None:
        """Raises UsageError without the extra, or for a configuration that cannot be used, and
        ResourceError for a server that nobody knows."""
        self._obstore = _obstore(root)
        self._root = root
        options = aws_options() if root.startswith("s3") else {}
        self._store = self._open(options)
        if server := self._server(options):
            require_known(server)

    def _open(self, options: dict[str, Any]) -> Any:
        from obstore.store import from_url

        options["client_options"] = _CLIENT | {"allow_http": self._is_plain(options)}
        options["retry_config"] = RETRY
        try:
            return from_url(self._root, **options)
        except (self._obstore.exceptions.BaseError, ValueError) as error:
            raise UsageError(
                f"{self._root} cannot be used: {_reason(error)}",
                hint="Check the address, and the variables that configure the store.",
            ) from None

    def _is_plain(self, options: Mapping[str, Any]) -> bool:
        """Whether the user wants a server without TLS."""
        return self._server(options).startswith("http://")

    def _server(self, options: Mapping[str, Any]) -> str:
        """The web address of the server, "" where it is that of the cloud."""
        if self._root.startswith("http"):
            return self._root
        if not self._root.startswith("s3"):
            return ""
        return options.get("endpoint") or endpoint_in_environment()

    def pages(self, prefix: str) -> Iterator[list[StoredObject]]:
        """All objects under a prefix, one request after the other, sorted by key.

        Raises InputError for a bucket or a key that cannot be used, ResourceError where the store
        does not answer.
        """
        last, failures = None, 0
        while True:
            try:
                listed = self._obstore.list(
                    self._store, prefix or None, offset=last, chunk_size=PAGE
                )
                for page in each_waited(listed):
                    last, failures = page[-1]["path"], 0
                    yield [_stored(meta) for meta in page]
                return
            except self._errors() as error:
                failures += 1
                if failures > LIST_AGAIN or "response body" not in str(error):
                    raise self._unlistable(prefix, error) from None
                time.sleep(2**failures / 10)

    def names(self, prefix: str) -> list[str]:
        """The names of the objects right under a prefix, sorted. Raises as `pages`."""
        try:
            found = waited(lambda: self._obstore.list_with_delimiter(self._store, prefix or None))[
                "objects"
            ]
        except self._errors() as error:
            raise self._unlistable(prefix, error) from None
        return sorted(meta["path"].rpartition("/")[2] for meta in found)

    def head(self, key: str) -> StoredObject | None:
        """What the store says of one object; None where there is none."""
        try:
            return waited(lambda: _stored(self._meta(key)))
        except self._errors() as error:
            if isinstance(error, FileNotFoundError) or "410 Gone" in str(error):
                return None
            raise self._failed(key, error) from None

    def _meta(self, key: str) -> Mapping[str, Any]:
        """As HEAD says it, or GET: there are servers that refuse HEAD, or do not know a length."""
        refusals = self._obstore.exceptions
        with suppress(
            FileNotFoundError, refusals.PermissionDeniedError, refusals.UnauthenticatedError
        ):
            meta: Mapping[str, Any] = self._obstore.head(self._store, key)
            if meta["size"]:
                return meta
        found: Mapping[str, Any] = self._obstore.get(self._store, key).meta
        return found

    def read(self, key: str, etag: str, *, length: int | None = None) -> bytes:
        """The bytes of an object, or the first `length`, at least one; `etag`: as listed, or "".

        Raises RejectedImage where it is gone, InputError where it has changed, ResourceError where
        the store does not answer.
        """
        options: dict[str, Any] = {"if_match": etag} if etag else {}
        if length is not None:
            options["range"] = (0, length)
        try:
            return waited(lambda: self._bytes(key, options))
        except self._errors() as error:
            if self._is_deleted(error):
                raise RejectedImage(UNREADABLE, "it is no longer in the store") from None
            raise self._failed(key, error) from None

    def _bytes(self, key: str, options: dict[str, Any]) -> bytes:
        return bytes(self._obstore.get(self._store, key, options=options).bytes())

    def _is_deleted(self, error: Exception) -> bool:
        """Whether an error says that there is no object of that key: a bucket that is gone, or a
        server on the way, answers 404 as well."""
        if not isinstance(error, FileNotFoundError):
            return False
        return "NoSuchKey" in str(error) or not self._root.startswith("s3")

    def begin(self, key: str, etag: str, *, start: int = 0) -> tuple[StoredObject, Iterator[bytes]]:
        """What the store says of an object now, and its bytes from `start` on, which follow.

        etag: as listed, or "". Raises as `read`; the bytes do so too.
        """
        options: dict[str, Any] = {"if_match": etag} if etag else {}
        if start:
            options["range"] = {"offset": start}
        try:
            answer = waited(lambda: self._obstore.get(self._store, key, options=options))
            return _stored(answer.meta), self._rest(key, answer.stream(min_chunk_size=CHUNK))
        except self._obstore.exceptions.NotSupportedError as error:  # ranges are not
            if not start:
                raise self._failed(key, error) from None
            found, chunks = self.begin(key, etag)
            return found, _after(start, chunks)
        except self._errors() as error:
            raise self._failed(key, error) from None

    def _rest(self, key: str, stream: Any) -> Iterator[bytes]:
        try:
            yield from map(bytes, each_waited(stream))
        except self._errors() as error:
            raise self._failed(key, error) from None

    def _errors(self) -> tuple[type[Exception], ...]:
        return (self._obstore.exceptions.BaseError, OSError, ValueError)

    def _failed(self, key: str, error: Exception) -> ImgmemError:
        """The error for a request that failed, for an object that should be there."""
        address = f"{self._root}/{key}"
        if "Content-Length Header missing" in str(error):
            return InputError(
                f"the server does not say how large {address} is, so a truncated "
                "download could not be detected",
                hint=f"Download it (curl -fLO {address}), and build from the file.",
                path=address,
            )
        changed = isinstance(error, self._obstore.exceptions.PreconditionError)
        if changed or self._is_deleted(error):
            return InputError(
                f"{address} changed since it was listed",
                hint="Make sure that nothing writes to the source, then start over.",
                path=address,
            )
        return ResourceError(
            f"{address} cannot be read: {_reason(error)}",
            hint=f"{self._advice(error)}, then run the same command again to resume.",
            path=address,
        )

    def _advice(self, error: Exception) -> str:
        """What to do before the next try."""
        text = str(error)
        if self._root.startswith("http"):
            if any(each in text for each in ("401 ", "403 ")):
                return (
                    "If it needs a login, download it by hand and build from the file; otherwise "
                    "check the network and the server"
                )
            return "Check the network and the server"
        return next(
            (what for signs, what in _ADVICE if any(sign in text for sign in signs)),
            "Check the network and the store",
        )

    def _unlistable(self, prefix: str, error: Exception) -> ImgmemError:
        address = f"{self._root}/{prefix}".rstrip("/")
        if isinstance(error, self._obstore.exceptions.InvalidPathError | ValueError):
            return InputError(
                f"{address} holds an object that cannot be read: {_reason(error)}",
                hint="Rename it: parts of a key must not be empty, . or .., or hold control "
                "characters.",
                path=address,
            )
        if "NoSuchBucket" in str(error) or isinstance(error, FileNotFoundError):
            return InputError(
                f"there is no bucket {self._root}", hint="Check the address.", path=address
            )
        return ResourceError(
            f"{address} cannot be listed: {_reason(error)}",
            hint=f"{self._advice(error)}, then try again.",
            path=address,
        )


def list_requests(objects: int) -> int:
    """How many requests a source takes that has so many objects: one shows of what kind it is."""
    return 1 + max(1, -(-objects // PAGE))


def stored_at(address: str) -> StoredObject | None:
    """What the store says of the object at an address; None where there is none."""
    root, key = StorePlace.of(address)
    return Store(root).head(key)


def names_at(address: str) -> list[str]:
    """The names of the objects right under an address, sorted; none where they are not listed."""
    root, key = StorePlace.of(address)
    return [] if root.startswith("http") else Store(root).names(key)


def _obstore(root: str) -> Any:
    try:
        import obstore
        import obstore.exceptions
        import obstore.store
    except ImportError:
        raise UsageError(
            f"{root} needs the package obstore to be read",
            hint="Install imgmem with its extra `remote`: pip install 'imgmem[remote]'.",
        ) from None
    return obstore


def _stored(meta: Mapping[str, Any]) -> StoredObject:
    modified: datetime = meta["last_modified"]
    etag = meta["e_tag"] or ""
    weak = etag.startswith("W/")  # no request may be conditional on it
    nanoseconds = int(modified.timestamp()) * 10**9 + modified.microsecond * 1000
    return StoredObject(meta["path"], meta["size"], nanoseconds, "" if weak else etag)


def _after(start: int, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """What follows the first `start` bytes."""
    for chunk in chunks:
        if len(chunk) > start:
            yield chunk[start:]
        start = max(0, start - len(chunk))


def _reason(error: Exception) -> str:
    """What went wrong, in a line that holds no address: there may be a login in it."""
    text = str(error).partition("\n\nDebug source")[0]
    found = [*_STATUS.findall(text)[-1:], *_CODE.findall(text)[-1:]]
    return ", ".join(found) or _ADDRESSES.sub("…", text.partition("\n")[0])[-200:]
