"""Judges a running system as its users would: by its logs, by the projects that wait, and by what its screens say.

A test lists what it expects in the logs, each pattern with its reason. Any other WARNING, ERROR, CRITICAL or traceback
fails it. While nothing is broken, no project may go unchecked for three times its planned gap.
"""

import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy import select

from worker.store.engine import Database, StoreUnavailableError, clock
from worker.store.models import TrackedProject

TROUBLE: Final = re.compile(r"\b(WARNING|ERROR|CRITICAL)\b")
_LOG_NAME: Final = re.compile(r"\.(log|out)\b")
TRACEBACK: Final = "Traceback (most recent call last)"
# What follows the entry of a traceback that has no code of ours in it, and no database driver.
IN_CELERY: Final = "[in Celery]"
_FRAME: Final = re.compile(r'^[ |+]*File "([^"]+)", line \d+')
# The standard library is not ours either; the command that starts a worker has no frame in what Celery logs.
_CELERY: Final = re.compile(
    r"site-packages/(celery|kombu|amqp|redis|billiard|vine)/|/lib/python3\.\d+/(?!site-packages/)"
)
GAPS: Final = 3.0
# A gap shorter than this is within what dispatch (each second) and a busy machine take.
_LEAST_SECONDS: Final = 8.0
# A project that was just tracked has no planned gap yet: it is due at once.
_FIRST_GAP: Final = 5.0
_EVERY: Final = 0.5
_MOST_SHOWN: Final = 10
_WAITING: Final = select(
    TrackedProject.kind, TrackedProject.project_id, TrackedProject.next_check_at, TrackedProject.check_gap
).where(TrackedProject.state != "closed", TrackedProject.next_check_at.is_not(None))


@dataclass(frozen=True)
class Allowed:
    """A line or traceback that a test expects in a log, and why it is right that it is there."""

    pattern: str
    reason: str


def read_logs(*places: Path) -> dict[str, str]:
    """Return the text of each log file; of a folder, all files in it whose names have ``.log`` or ``.out``."""
    files: list[Path] = []
    for place in places:
        found = place.rglob("*") if place.is_dir() else [place]
        files += [
            each for each in found if each.is_file() and (each == place or re.search(r"\.(log|out)\b", each.name))
        ]
    return {str(file): file.read_text(encoding="utf-8", errors="replace") for file in sorted(files)}


def trouble_in_logs(logs: Mapping[str, str], allowed: Sequence[Allowed] = ()) -> list[str]:
    """Return each warning, error and traceback that is not allowed, with the name of its log."""
    patterns = [re.compile(each.pattern) for each in allowed]
    return [
        f"{name}: {entry}"
        for name, content in logs.items()
        for entry in _entries(content)
        if not any(pattern.search(entry) for pattern in patterns)
    ]


def _entries(content: str) -> Iterator[str]:
    """Give each line that is trouble.

    A traceback is one entry: its first line, the line that names the error, and whether all of it is in Celery's
    libraries.
    """
    frames: list[str] | None = None
    for line in content.splitlines():
        if TRACEBACK in line:
            frames = []
        elif frames is not None and line.strip(" |+") and not line.startswith((" ", "\t")):
            yield f"{TRACEBACK}: … {line}" + (f" {IN_CELERY}" if _in_celery(frames) else "")
            frames = None
        elif TROUBLE.search(line):
            yield line
        elif frames is not None:
            frames += _FRAME.findall(line)
    if frames is not None:
        yield TRACEBACK


def _in_celery(frames: Sequence[str]) -> bool:
    return bool(frames) and all(_CELERY.search(frame) for frame in frames)


def overdue(database: Database) -> dict[str, float]:
    """Return the projects that were not asked for during three planned gaps, and for how many seconds they were not."""
    found = {}
    with database.read() as connection:
        now = clock(connection)
        for row in connection.execute(_WAITING):
            gap = row.check_gap or _FIRST_GAP
            unasked = (now - row.next_check_at).total_seconds() + gap
            if unasked > max(GAPS * gap, gap + _LEAST_SECONDS):
                found[f"{row.kind} {row.project_id}"] = unasked
    return found


@dataclass
class Watch:
    """Looks at the projects that wait, twice a second, until it is stopped. ``found`` is what was wrong."""

    database: Database
    found: dict[str, str] = field(default_factory=dict)
    _excused_until: float = 0.0
    _stopped: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def broken(self, heals_within: float) -> Iterator[None]:
        """Excuse what happens inside, and for so many seconds after it: the time a repair may take."""
        self.excuse()
        try:
            yield
        finally:
            self.excuse(heals_within)

    def excuse(self, seconds: float = float("inf")) -> None:
        """Excuse what happens within so many seconds from now."""
        self._excused_until = time.monotonic() + seconds

    def look(self) -> None:
        """Look once."""
        if time.monotonic() < self._excused_until:
            return
        try:
            late = overdue(self.database)
        except StoreUnavailableError as error:
            if time.monotonic() > self._excused_until:  # it may have been broken while we looked
                self.found["database"] = f"the database could not be read: {error}"
            return
        for project, seconds in late.items():
            if time.monotonic() > self._excused_until:
                self.found[project] = f"{project} was due and not asked for during {seconds:.1f} s"

    def look_last(self) -> None:
        """Look once more, though a repair may still be under way; not when something is broken for good."""
        if self._excused_until != float("inf"):
            self.excuse(0)
            self.look()

    def run(self) -> None:
        """Look again and again."""
        while not self._stopped.wait(_EVERY):
            self.look()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()


@contextmanager
def watching(url: str) -> Iterator[Watch]:
    """Watch the projects of a database. At the end it fails the test when one was left waiting."""
    database = Database(url)
    watch = Watch(database)
    thread = threading.Thread(target=watch.run, daemon=True)
    thread.start()
    try:
        yield watch
        watch.look_last()
    finally:
        watch.stop()
        thread.join(30)
        database.close()
    shown = list(watch.found.values())[:_MOST_SHOWN]
    assert shown == [], f"projects waited while nothing was broken: {shown}"


# What a screen says when nothing is wrong, and the fact that makes it a lie.
_ALL_WELL: Final = ("All is well", "none overdue")


def lies(screen: str, database: Database) -> list[str]:
    """Return what a screen, a page or the doctor says that is not so."""
    late = overdue(database)
    if not late:
        return []
    return [f"{words!r} on the screen while {len(late)} projects are overdue" for words in _ALL_WELL if words in screen]


def assert_clean(logs: Mapping[str, str], allowed: Sequence[Allowed] = ()) -> None:
    """Fail with the first troubles in the logs that the test did not expect."""
    trouble = trouble_in_logs(logs, allowed)
    assert trouble == [], "\n".join([f"{len(trouble)} unexpected entries in the logs:", *trouble[:_MOST_SHOWN]])
