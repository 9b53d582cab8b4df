"""Download the images of a dataset: resumable, parallel, each one checked, and polite to the server.

A file arrives as NAME.part, which an interrupted download continues, and takes its name once it opens and has
the annotated size. What can't be had is listed with the reason.
"""

import email.utils
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import httpx
from PIL import Image

from bench import files
from bench.datasets.image_files import quiet
from bench.datasets.pixels import ORIENTATION_TAG
from bench.errors import DataError

AGENT = "bench-data-download (one dataset; stops on 429)"

_GONE = frozenset({400, 401, 403, 404, 405, 406, 410, 451})
"""Statuses that another attempt does not change."""

_LARGEST = 1 << 30
"""Bytes of one file."""


@dataclass(frozen=True)
class Remote:
    """One image to download."""

    name: str  # relative, posix
    url: str
    size_wh: tuple[int, int] | None  # as annotated: stored, or upright by EXIF; None: not stated


@dataclass(frozen=True)
class Outcome:
    """What became of one image."""

    remote: Remote
    status: Literal["present", "fetched", "gone"]
    reason: str = ""


@dataclass(frozen=True)
class Manners:
    """How much is asked of the server."""

    parallel: int = 4
    attempts: int = 5
    first_wait_s: float = 1.0
    """Before the second attempt; doubled for each further one, unless the server says how long to wait."""
    longest_wait_s: float = 120.0
    timeout_s: float = 30.0
    """For a connection, an answer, and each part of it."""
    longest_s: float = 600.0
    """For one attempt; the next one continues where it ended."""


POLITE = Manners()

OnDone = Callable[[Outcome, int, int], None]
"""Called with each outcome, how many there are by then, and of how many."""


class _Gone(Exception):
    """Another attempt would not help."""


class _Again(Exception):
    """Worth another attempt, after `wait_s` where the server says so."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


def download(
    remotes: Sequence[Remote], folder: Path, on_done: OnDone, manners: Manners = POLITE
) -> list[Outcome]:
    """Download what is not in `folder` yet, in any order; outcomes are in the order of `remotes`.

    Raises:
        DataError: a name reaches outside of the folder, or two images have one name.
        RunError: the disk is full, or the folder can't be written to.
    """
    _check_names(remotes)
    found: dict[str, Outcome] = {}
    with _Downloader(folder, manners) as downloader, ThreadPoolExecutor(manners.parallel) as pool:
        waiting = [pool.submit(downloader.fetch, remote) for remote in remotes]
        try:
            for future in as_completed(waiting):
                outcome = future.result()
                found[outcome.remote.name] = outcome
                on_done(outcome, len(found), len(remotes))
        except BaseException:
            downloader.stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return [found[remote.name] for remote in remotes]


def fetch_file(url: str, target: Path, manners: Manners = POLITE) -> None:
    """Download one file that is no image, such as annotations. Raises DataError where it can't be had."""
    with _Downloader(target.parent, manners) as downloader:
        outcome = downloader.fetch(Remote(target.name, url, None), check=lambda path, size: "")
    if outcome.status == "gone":
        raise DataError(f"can't be downloaded: {outcome.reason}", file=target, value=url)


def image_problem(path: Path, size_wh: tuple[int, int] | None) -> str:
    """Why the file is not the image that was annotated; empty where it is."""
    try:
        with quiet(), Image.open(path) as image:
            stored, orientation = image.size, image.getexif().get(ORIENTATION_TAG, 1)
            image.load()
    except Exception:  # PIL's parsers raise many exception types on broken files
        return "is not an image that opens"
    upright = stored[::-1] if orientation in (5, 6, 7, 8) else stored
    if size_wh is None or size_wh in (stored, upright):
        return ""
    return f"has {stored[0]} x {stored[1]} pixels, annotated are {size_wh[0]} x {size_wh[1]}"


class _Downloader:
    """One connection pool, and one pause for all threads where the server asks for it."""

    def __init__(self, folder: Path, manners: Manners) -> None:
        self.folder = folder
        self.manners = manners
        self.stop = threading.Event()
        self._paused_until = 0.0
        self._client = httpx.Client(
            follow_redirects=True,
            timeout=manners.timeout_s,
            limits=httpx.Limits(max_connections=manners.parallel),
            headers={"User-Agent": AGENT, "Accept-Encoding": "identity"},
        )

    def __enter__(self) -> "_Downloader":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def fetch(
        self, remote: Remote, check: Callable[[Path, tuple[int, int] | None], str] = image_problem
    ) -> Outcome:
        target = self.folder / remote.name
        if target.is_file() and not check(target, remote.size_wh):
            return Outcome(remote, "present")
        part = target.with_name(f"{target.name}.part")
        reason = ""
        for attempt in range(self.manners.attempts):
            self._wait()
            try:
                with files.writing(target):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    self._transfer(remote.url, part)
                if problem := check(part, remote.size_wh):
                    part.unlink()
                    raise _Gone(problem) if attempt else _Again(problem)
                part.replace(target)
                return Outcome(remote, "fetched")
            except _Gone as error:
                reason = str(error)
                break
            except _Again as error:
                reason = str(error)
                self._back_off(attempt, error.wait_s)
        return Outcome(remote, "gone", reason)

    def _transfer(self, url: str, part: Path) -> None:
        """Append what is missing to `part`. Raises _Gone or _Again."""
        have = part.stat().st_size if part.is_file() else 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        ends = time.monotonic() + self.manners.longest_s
        try:
            with self._client.stream("GET", url, headers=headers) as response:
                self._check_answer(response, part)
                with part.open("ab" if _continues(response, have) else "wb") as file:
                    for chunk in response.iter_raw():
                        file.write(chunk)
                        if file.tell() > _LARGEST:
                            raise _Gone(f"is larger than {_LARGEST:,} bytes")
                        if self.stop.is_set() or time.monotonic() > ends:
                            raise _Again("the server was too slow")
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as error:
            raise _Gone(str(error)) from None
        except httpx.TransportError as error:
            raise _Again(f"{type(error).__name__}: {error}".rstrip(": ")) from None

    def _check_answer(self, response: httpx.Response, part: Path) -> None:
        status = response.status_code
        if status in _GONE:
            raise _Gone(f"the server answered {status}")
        if status == 416:  # the part is longer than the file
            part.unlink(missing_ok=True)
        if status not in (200, 206):
            raise _Again(f"the server answered {status}", _seconds(response.headers.get("Retry-After")))
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind in ("text/html", "application/xhtml+xml"):
            raise _Gone("the server sent a web page instead")

    def _wait(self) -> None:
        """Until the server's pause for all threads is over."""
        while not self.stop.is_set() and (left := self._paused_until - time.monotonic()) > 0:
            self.stop.wait(left)
        if self.stop.is_set():
            raise _Gone("interrupted")

    def _back_off(self, attempt: int, wait_s: float | None) -> None:
        if attempt + 1 >= self.manners.attempts:
            return
        if wait_s is not None:  # what the server asks of one thread holds for all
            self._paused_until = max(
                self._paused_until, time.monotonic() + min(wait_s, self.manners.longest_wait_s)
            )
            return
        self.stop.wait(min(self.manners.first_wait_s * 2**attempt, self.manners.longest_wait_s))


def _continues(response: httpx.Response, have: int) -> bool:
    return response.status_code == 206 and response.headers.get("Content-Range", "").startswith(
        f"bytes {have}-"
    )


def _seconds(retry_after: str | None) -> float | None:
    """Of a Retry-After header: seconds, or a date."""
    if retry_after is None:
        return None
    if retry_after.strip().isdigit():
        return float(retry_after)
    with suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    return None


def _check_names(remotes: Sequence[Remote]) -> None:
    for name in _unsafe(remotes):
        raise DataError(
            "is no file below the folder, or stands twice",
            record="file_name",
            value=name,
            hint="correct it",
        )


def _unsafe(remotes: Sequence[Remote]) -> Iterator[str]:
    seen: set[str] = set()
    for remote in remotes:
        path = PurePosixPath(remote.name)
        bad = path.is_absolute() or ".." in path.parts or "\\" in remote.name or "\0" in remote.name
        if bad or not path.name or remote.name in seen:
            yield remote.name
        seen.add(remote.name)


__all__ = ["POLITE", "Manners", "Outcome", "Remote", "download", "fetch_file", "image_problem"]
