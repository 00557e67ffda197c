"""Whether the name of a server leads anywhere, before requests wait for it.

obstore repeats a request to a server that nobody knows like any other, for minutes.
"""

import socket
import time
from urllib.parse import urlsplit

from imgmem.core.errors import ResourceError
from imgmem.core.sources.remote.waiting import waited

TRIES = 3
"""How often a name is looked up: a resolver may be busy for a moment."""
PAUSE = 1.0
_SECONDS = 5
"""A resolver that takes longer is not asked again."""


def require_known(address: str) -> None:
    """ResourceError where the host of a web address has no IP address.

    Where a proxy is set, only that looks names up.
    """
    if _proxies():
        return
    host = urlsplit(address).hostname
    begun = time.monotonic()
    for left in reversed(range(TRIES)):
        try:
            waited(lambda: socket.getaddrinfo(host, None))
            return
        except UnicodeError:  # Python knows an older form of such names than obstore
            return
        except OSError as error:
            if not left or time.monotonic() - begun > _SECONDS:
                raise _unknown(host, error) from None
        time.sleep(PAUSE)


def _proxies() -> dict[str, str]:
    from urllib.request import getproxies  # it takes a while

    return {name: proxy for name, proxy in getproxies().items() if name != "no"}


def _unknown(host: str | None, error: OSError) -> ResourceError:
    return ResourceError(
        f"there is no server {host}: {error.strerror}",
        hint="Check the address, and the network (its DNS).",
        host=host,
    )
