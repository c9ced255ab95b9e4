"""What the page offers for a finding: a link to exactly the rows that it counts, and a button where one mends it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from worker.domain.deliveries.shown_destination import shown_destination
from worker.domain.monitoring.facts import Facts
from worker.domain.monitoring.finding import Finding


@dataclass(frozen=True, slots=True)
class Button:
    """A form of one button: where it is sent, its hidden fields, and its label."""

    action: str
    fields: Mapping[str, str]
    label: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A finding, the address of the rows that it counts, what they are called, and the button that mends it."""

    finding: Finding
    href: str | None = None
    noun: str = ""
    button: Button | None = None


_OPEN: Final = ("/projects?state=open", "open projects")
# Finding -> the address of its rows, and what they are called.
_ROWS: Final[Mapping[str, tuple[str, str]]] = {
    "beat_down": _OPEN,
    "dispatch_not_run": _OPEN,
    "checks_fail": ("/projects?only=unanswered&sort=due", "projects"),
    "account_paused": ("/projects?only=due&sort=due", "due projects"),
    "account_without_key": ("/projects?only=due&sort=due", "due projects"),
    "overdue": ("/projects?only=overdue&sort=due", "overdue projects"),
    "late": ("/projects?only=due&sort=due", "due projects"),
    "checks_hang": ("/projects?only=due&sort=due", "due projects"),
    "checks_not_consumed": ("/projects?only=due&sort=due", "due projects"),
    "stalled_projects": ("/projects?only=stalled", "stalled projects"),
    "deliveries_not_sent": ("/deliveries?state=waiting", "deliveries"),
    "destination_failing": ("/deliveries?state=open", "deliveries"),
    "dead_deliveries": ("/deliveries?state=dead", "dead deliveries"),
    "rejected_requests": ("/problems/rejected", "rejected requests"),
}
# Findings about all accounts that requests are sent for, but not about those that are paused or lack a key.
_OF_ASKED: Final = frozenset({"overdue", "late", "checks_hang", "checks_not_consumed"})
_OTHER_PAGES: Final[Mapping[str, tuple[str, str]]] = {
    "delay_above_target": ("/check-times", "check times"),
    "invariants_violated": ("/settings", "settings"),
}


def offer(finding: Finding, facts: Facts) -> Offer:
    """Return what to offer for a finding."""
    href, noun = _ROWS.get(finding.code, (None, ""))
    if href is None or not finding.count:
        return Offer(finding, button=_button(finding))
    return Offer(finding, href + _narrowed(finding, facts), noun, _button(finding))


def _narrowed(finding: Finding, facts: Facts) -> str:
    if finding.code == "destination_failing":
        return "&" + urlencode({"destination": shown_destination(facts.failing_destinations[0].name)})
    if finding.subject:
        return "&" + urlencode({"account": finding.subject})
    asked = [account.name for account in facts.accounts if account.is_asked]
    if finding.code in _OF_ASKED and len(asked) < len(facts.accounts):
        return "&" + urlencode({"account": ",".join(asked)})
    return ""


def _button(finding: Finding) -> Button | None:
    if finding.code == "account_paused" and finding.subject:
        return Button("/accounts/resume", {"account": finding.subject}, "Lift the pause")
    if finding.code == "dead_deliveries":
        return Button("/deliveries/replay", {"every": "matching", "state": "dead"}, "Replay all dead…")
    if finding.code == "stalled_projects":
        return Button("/projects/all", {"action": "recheck", "only": "stalled"}, "Check them now…")
    return None
