"""Requests to one shard of a Qdrant server: retries with backoff and jitter, resume, errors that say what helps."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import quote

from edgeshard import EdgeShardWarning, SyncError
from edgeshard.sync.complete import is_complete

if TYPE_CHECKING:
    import httpx

Progress: TypeAlias = "Callable[[int, int | None], None]"
"""Called with the bytes received so far and, if the server says, how many there will be."""

RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})
UNDECIDED = frozenset({408, 502, 504})
"""What is said of a request that may be carried out all the same: by a proxy that waits no longer, for instance."""
TOO_LARGE = 413
MAKING_SECONDS = 3600.0
"""How long a server may make a snapshot on its disk, of which it says nothing meanwhile."""
_T = TypeVar("_T")

_REASONS = {
    400: "the server refused the request (is the shard on this node?)",
    401: "the API key is missing or wrong",
    403: "the API key lacks the rights: snapshots need write access to the collection, a read-only key is not enough",
    404: "there is no such collection or shard",
}


class RetryPolicy:
    """How often and after how long a failed request is tried again.

    Args:
        attempts: requests in all.
        first_delay: seconds before the second request; doubled each time.
        max_delay: no pause is longer, whatever the server asks for.
    """

    __slots__ = ("attempts", "first_delay", "max_delay")

    def __init__(self, attempts: int = 5, first_delay: float = 0.5, max_delay: float = 60.0) -> None:
        self.attempts: int = attempts
        self.first_delay: float = first_delay
        self.max_delay: float = max_delay

    def delay(self, attempt: int, asked: float | None) -> float:
        """Seconds to pause after an attempt, counted from 1: what the server asked for, or backoff with jitter."""
        if asked is not None:
            return min(asked, self.max_delay)
        return float(min(self.first_delay * 2 ** (attempt - 1), self.max_delay) * random.uniform(0.5, 1.0))


class ServerShard:
    """One shard of a collection on a server.

    Args:
        url: of the server, such as ``https://host:6333``.
        collection: its name.
        shard_id: number of the shard on the server.
        api_key: sent as ``api-key``, None for servers without keys.
        timeout: seconds without an answer or a byte before a request counts as failed.
        retry: how failed requests are tried again.
        options: for :class:`httpx.Client`: ``verify``, ``cert``, ``proxy``, ``headers``, ..
    """

    def __init__(
        self,
        url: str,
        collection: str,
        shard_id: int,
        *,
        api_key: str | None,
        timeout: float,
        retry: RetryPolicy,
        options: Mapping[str, Any],
    ) -> None:
        httpx = _httpx()
        self._retry = retry
        self._timeout = timeout
        self._collection = f"/collections/{quote(collection, safe='')}"
        self._shard = f"{self._collection}/shards/{shard_id}"
        headers = {**options.get("headers", {}), **({"api-key": api_key} if api_key is not None else {})}
        rest = {key: value for key, value in options.items() if key != "headers"}
        try:
            self._client = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=timeout, **rest)
        except (httpx.InvalidURL, TypeError, ValueError, OSError) as error:
            raise SyncError(f"cannot talk to {url!r}: {error}", retryable=False) from error
        self.attempts = 0

    def __enter__(self) -> ServerShard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    # --- requests ----------------------------------------------------------------------------------------

    def describe_collection(self) -> dict[str, Any] | None:
        """The configuration of the collection; None if the key may not see it."""
        try:
            answer = self._json("GET", self._collection)
        except SyncError as error:
            if error.status == 403:
                return None
            raise
        with understood():
            return dict(answer["config"]["params"])

    def download_stream(self, target: Path, progress: Progress | None) -> None:
        """A full snapshot, made while it is sent; starts over when it breaks off."""
        self._retried(lambda: self._fetch("GET", f"{self._shard}/snapshot", target, progress))

    def download_partial(self, manifest: dict[str, Any], target: Path, progress: Progress | None) -> bool:
        """What changed since a manifest; False if nothing did.

        Servers read manifests of 2 MiB at most. For a larger one everything is fetched.
        """
        path = f"{self._shard}/snapshot/partial/create"
        try:
            return self._retried(lambda: self._fetch("POST", path, target, progress, json=manifest))
        except SyncError as error:
            if error.status != TOO_LARGE or not manifest:
                raise
        return self._retried(lambda: self._fetch("POST", path, target, progress, json={}))

    @contextmanager
    def stored_snapshot(self) -> Iterator[tuple[str, str | None]]:
        """A snapshot that the server makes on its disk and that is removed at the end: its name and checksum.

        One that cannot be removed is warned of: what was asked for is done, or has another error to tell. A request
        that the server may be carrying out is not repeated, as each would leave a snapshot there.
        """
        waiting = _httpx().Timeout(self._timeout, read=max(self._timeout, MAKING_SECONDS))
        path = f"{self._shard}/snapshots"
        answer = self._json("POST", path, once=True, params={"wait": "true"}, timeout=waiting)
        with understood():
            name, checksum = str(answer["name"]), answer.get("checksum")
        if checksum is not None and not isinstance(checksum, str):
            raise SyncError(f"the answer is not that of a Qdrant server: checksum {checksum!r}", retryable=False)
        try:
            yield name, checksum
        finally:
            try:
                path = f"{self._shard}/snapshots/{quote(name, safe='')}"
                self._json("DELETE", path, attempts=1, params={"wait": "true"})
            except SyncError as error:
                warnings.warn(f"snapshot {name} stays on the server: {error}", EdgeShardWarning, stacklevel=5)

    def download_stored(self, name: str, target: Path, progress: Progress | None) -> None:
        """A stored snapshot; goes on where it broke off, if the server can."""
        path = f"{self._shard}/snapshots/{quote(name, safe='')}"
        target.unlink(missing_ok=True)
        self._retried(lambda: self._fetch("GET", path, target, progress, resume=True))

    # --- inside ------------------------------------------------------------------------------------------

    def _json(self, method: str, path: str, *, attempts: int | None = None, once: bool = False, **options: Any) -> Any:
        def request() -> Any:
            response = self._client.request(method, path, **options)
            _check(response)
            return response.json()["result"]

        return self._retried(request, attempts, once=once)

    def _fetch(
        self, method: str, path: str, target: Path, progress: Progress | None, *, resume: bool = False, **options: Any
    ) -> bool:
        """One attempt to write a body to a file; False for 304, which is an answer to a manifest only."""
        have = target.stat().st_size if resume and target.exists() else 0
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
        with self._client.stream(method, path, headers=headers, **options) as response:
            if response.status_code == 304 and method == "POST":
                return False
            if response.status_code == 416:
                target.unlink(missing_ok=True)
                raise SyncError("the server has less of the file than was received: it starts over", retryable=True)
            _check(response)
            go_on = response.status_code == 206 and response.headers.get("Content-Range", "").startswith(
                f"bytes {have}-"
            )
            if response.status_code == 206 and not go_on:
                raise SyncError("the server sent another part of the file than was asked for", retryable=True)
            have = have if go_on else 0
            length = response.headers.get("Content-Length")
            encoded = response.headers.get("Content-Encoding", "identity") != "identity"  # by a proxy, uncalled for
            if encoded and go_on:
                target.unlink()
                raise SyncError("a proxy compressed a part of the file: it starts over", retryable=True)
            total = have + int(length) if length and length.isdigit() and not encoded else None
            with open(target, "ab" if go_on else "wb") as file:
                for chunk in response.iter_bytes():
                    file.write(chunk)
                    have += len(chunk)
                    if progress is not None:
                        progress(have, total)
        if not is_complete(target):
            if resume:
                target.unlink()
            raise SyncError(
                f"the archive ends after {have} bytes without its last entry: the server broke off", retryable=True
            )
        return True

    def _retried(self, request: Callable[[], _T], attempts: int | None = None, *, once: bool = False) -> _T:
        """The answer to a request, which is repeated as often as the policy allows.

        Args:
            request: makes it.
            attempts: how often at most, instead of what the policy says.
            once: it must not be carried out twice, so that it is only repeated where it certainly was not.
        """
        httpx = _httpx()
        attempts = self._retry.attempts if attempts is None else attempts
        for attempt in range(1, attempts + 1):
            self.attempts += 1
            try:
                return request()
            except httpx.HTTPError as error:
                failure = _network_failure(error)
                failure.__cause__ = error
            except (ValueError, KeyError, TypeError) as error:
                failure = _not_understood(error)
            except SyncError as error:
                failure = error
            if not failure.retryable or attempt == attempts or (once and _undecided(failure)):
                raise failure
            time.sleep(self._retry.delay(attempt, failure.retry_after))
        raise SyncError("no attempt was allowed: RetryPolicy.attempts must be at least 1", retryable=False)


@contextmanager
def understood() -> Iterator[None]:
    """What goes wrong while an answer is taken apart is the server's fault.

    Raises:
        SyncError: the answer is not that of a Qdrant server.
    """
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise _not_understood(error) from error


def _undecided(failure: SyncError) -> bool:
    """Whether a request that failed may have been carried out."""
    if failure.status is not None:
        return failure.status in UNDECIDED
    httpx = _httpx()
    return not isinstance(failure.__cause__, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def _not_understood(error: Exception) -> SyncError:
    failure = SyncError(f"the answer is not that of a Qdrant server: {error!r}", retryable=False)
    failure.__cause__ = error
    return failure


def _check(response: httpx.Response) -> None:
    """Raise for an answer that is no success."""
    status = response.status_code
    if status < 300:
        return
    response.read()
    reason = _REASONS.get(status, "the server failed" if status >= 500 else "the server refused the request")
    if response.has_redirect_location:
        reason = f"the server is elsewhere, at {response.headers['Location']}"
    retryable = status in RETRYABLE or status >= 500
    raise SyncError(
        f"{response.request.method} {response.request.url.path}: {status}: {reason}: {_error_text(response)}",
        retryable=retryable,
        status=status,
        retry_after=_seconds(response.headers.get("Retry-After")),
    )


def _error_text(response: httpx.Response) -> str:
    try:
        return str(response.json()["status"]["error"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return response.text[:200]


def _seconds(header: str | None) -> float | None:
    """The value of ``Retry-After``: seconds or a date."""
    if header is None:
        return None
    if header.strip().isdigit():
        return float(header)
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _network_failure(error: Exception) -> SyncError:
    httpx = _httpx()
    hopeless = isinstance(error, httpx.UnsupportedProtocol) or "CERTIFICATE" in str(error).upper()
    return SyncError(f"cannot talk to the server: {type(error).__name__}: {error}", retryable=not hopeless)


def _httpx() -> Any:
    try:
        import httpx
    except ImportError as error:
        raise SyncError(
            "synchronisation needs httpx, which is not installed: pip install 'edgeshard[sync]'", retryable=False
        ) from error
    return httpx
