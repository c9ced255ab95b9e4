"""What remains when days are over: totals, balances, and what was learned."""

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from worker.store.models.base import Base
from worker.store.types import BigId


class Books(Base):
    """The one row that says up to which day the ledger is booked: daily totals hold all entries before that day."""

    __tablename__ = "books"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    booked_until: Mapped[date]


class CreditDailyTotal(Base):
    """What a day that is over came to, for one account, kind and type; ``type`` is '' while it was not known."""

    __tablename__ = "credit_daily_totals"

    day: Mapped[date] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(String(63), primary_key=True)
    kind: Mapped[str] = mapped_column(String(5), primary_key=True)
    type: Mapped[str] = mapped_column(Text, primary_key=True)
    entries: Mapped[int] = mapped_column(BigInteger)
    charged: Mapped[int] = mapped_column(BigInteger)
    corrected: Mapped[int] = mapped_column(BigInteger)
    refunded: Mapped[int] = mapped_column(BigInteger)


class BalanceSample(Base):
    """What an account could spend at a moment, as Magic Hour said."""

    __tablename__ = "balance_samples"
    __table_args__ = (UniqueConstraint("account", "observed_at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    account: Mapped[str] = mapped_column(String(63), ForeignKey("accounts.name"))
    observed_at: Mapped[datetime]
    credits: Mapped[int] = mapped_column(BigInteger)


class RetiringProject(Base):
    """A project that the present transaction removes: the database lets its history go. Empty between transactions."""

    __tablename__ = "retiring_projects"

    tracked_project_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("tracked_projects.id"), primary_key=True, autoincrement=False
    )


class RetiredCredit(Base):
    """What the ledgers of removed projects came to in a month, for one account, kind and type."""

    __tablename__ = "retired_credits"

    month: Mapped[date] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(String(63), primary_key=True)
    kind: Mapped[str] = mapped_column(String(5), primary_key=True)
    type: Mapped[str] = mapped_column(Text, primary_key=True)
    entries: Mapped[int] = mapped_column(BigInteger)
    charged: Mapped[int] = mapped_column(BigInteger)
    corrected: Mapped[int] = mapped_column(BigInteger)
    refunded: Mapped[int] = mapped_column(BigInteger)


class RenderDuration(Base):
    """What was learned of a type: the chance per second that a render of some age ends; type '' is a whole kind."""

    __tablename__ = "render_durations"
    __table_args__ = (CheckConstraint("hazard >= 0", name="hazard"),)

    kind: Mapped[str] = mapped_column(String(5), primary_key=True)
    type: Mapped[str] = mapped_column(String(200), primary_key=True)
    age_from: Mapped[float] = mapped_column(primary_key=True)
    age_to: Mapped[float]
    hazard: Mapped[float]
    learned_from: Mapped[int]
    learned_at: Mapped[datetime]
