"""Whether everything works, and what is wrong if not: the same for pages, API, CLI, metrics and alerts.

The store reads the facts; ``judge`` is pure. No finding means healthy: due projects are checked, stored events are
delivered, and no account, project or request needs attention.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from worker.domain.monitoring.facts import Facts
from worker.domain.monitoring.finding import Finding
from worker.domain.monitoring.findings import find_problems

Status = Literal["ok", "warning", "critical"]


@dataclass(frozen=True, slots=True)
class Health:
    """The facts, and the findings, critical ones first."""

    facts: Facts
    findings: Sequence[Finding]

    @property
    def now(self) -> datetime:
        """When the facts were read, by the database's clock."""
        return self.facts.now

    @property
    def status(self) -> Status:
        """The worst severity among the findings; ``ok`` if there is none."""
        return self.findings[0].severity if self.findings else "ok"


def judge(facts: Facts) -> Health:
    """Return the health that the facts show."""
    return Health(facts, sorted(find_problems(facts), key=lambda finding: finding.severity != "critical"))
