"""Hints from outside: a webhook of Magic Hour makes its project due at once."""

from functools import partial
from typing import Literal

from worker.domain.intake.hint import Hint, tells_news
from worker.domain.intake.request import Sender
from worker.settings import Settings
from worker.store.engine import Database
from worker.store.intake.hints import find_hinted, keep_hint, make_due
from worker.tracking.intake.track import track

# accepted: the project is due; repeated: nothing new, or nothing to do; unknown: kept in case it will be tracked.
HintOutcome = Literal["accepted", "repeated", "unknown", "tracked"]
_SENDER = Sender("webhook of Magic Hour")


def receive_hint(database: Database, settings: Settings, account: str, hint: Hint) -> HintOutcome:
    """Make the project of a hint due at once, unless it need not be, and say what became of the hint.

    A hint that tells nothing new only reads. One about a project that is not tracked is kept, or its project becomes
    tracked if the settings say so. Projects of other accounts are not touched.
    """
    with database.read_once() as connection:
        project = find_hinted(connection, hint)
    if project is None:
        return _receive_unknown(database, settings, account, hint)
    if project.account != account or project.needs_none or not tells_news(hint, project.status):
        return "repeated"
    return "accepted" if database.transact(partial(make_due, id_=project.id, status=hint.status)) else "repeated"


def _receive_unknown(database: Database, settings: Settings, account: str, hint: Hint) -> HintOutcome:
    if settings.track_from_webhooks:
        item = {"kind": hint.kind, "project_id": hint.project_id, "account": account}
        if not track(database, settings, [item], _SENDER).rejected:
            return "tracked"
    database.transact(partial(keep_hint, account=account, hint=hint))
    return "unknown"
