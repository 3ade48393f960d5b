"""Where today's master comes from when nobody names a file: Dhan's public address, or the simulated market."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn, Protocol

import httpx
from django.conf import settings

from market.errors import BadMaster, Reason
from market.sources import build_source

_LARGEST_DOWNLOAD = 100_000_000
_TIMEOUT = httpx.Timeout(connect=10, read=30, write=10, pool=10)
_RETRY = "Check the network and DHAN_MASTER_URL, then run import_scrip_master again or give --file."


class Readable(Protocol):
    """Anything bytes can be read from."""

    def read(self, size: int = -1, /) -> bytes:
        """At most about `size` bytes; empty at the end."""


@dataclass(frozen=True, slots=True)
class Origin:
    """An opened master and what to call it."""

    source: str
    file_name: str
    stream: Readable


def todays_master(*, as_of: datetime) -> Origin:
    """Open the master of that day's morning."""
    if settings.MARKET_SOURCE == "simulated":
        return Origin("simulated", f"simulated-{as_of:%Y-%m-%d}.csv", build_source().master(as_of=as_of))
    url = settings.DHAN_MASTER_URL
    return Origin("dhan", url.rsplit("/", 1)[-1] or "master.csv", Download(url))


class Download:
    """A file on a web server, fetched as it is read; whatever goes wrong is a BadMaster."""

    def __init__(self, url: str, *, largest: int = _LARGEST_DOWNLOAD, client: httpx.Client | None = None) -> None:
        self._chunks = _fetched(url, largest, client or httpx.Client(timeout=_TIMEOUT, follow_redirects=True))

    def read(self, size: int = -1, /) -> bytes:
        """The next piece, whatever its size."""
        return next(self._chunks, b"")


def _fetched(url: str, largest: int, client: httpx.Client) -> Iterator[bytes]:
    total = 0
    try:
        with client, client.stream("GET", url) as response:
            if response.status_code != httpx.codes.OK:
                _fail("DOWNLOAD_FAILED", f"{url} answered {response.status_code}.")
            for chunk in response.iter_bytes(1 << 18):
                total += len(chunk)
                if total > largest:
                    _fail("TOO_LARGE", f"{url} is larger than {largest:,} bytes.")
                yield chunk
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        sentence = f"{url} could not be fetched: {error or type(error).__name__}."
        raise BadMaster(Reason("DOWNLOAD_FAILED", sentence, _RETRY)) from error


def _fail(code: str, sentence: str) -> NoReturn:
    raise BadMaster(Reason(code, sentence, _RETRY))
