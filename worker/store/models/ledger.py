"""Daily totals, balances, and learned durations and rates."""

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from worker.store.models.base import Base
from worker.store.types import BigId


class ClosedDays(Base):
    """The single row with the closed days: daily totals hold all entries before ``booked_until``."""

    __tablename__ = "books"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    booked_until: Mapped[date]


class CreditDailyTotal(Base):
    """The totals of a closed day for an account, kind and type; ``type`` is '' if it was not known."""

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
    """An account's balance at Magic Hour at one moment."""

    __tablename__ = "balance_samples"
    __table_args__ = (UniqueConstraint("account", "observed_at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    account: Mapped[str] = mapped_column(String(63), ForeignKey("accounts.name"))
    observed_at: Mapped[datetime]
    credits: Mapped[int] = mapped_column(BigInteger)


class RetiringProject(Base):
    """A project that the current transaction removes, whose history may be deleted. Empty between transactions."""

    __tablename__ = "retiring_projects"

    tracked_project_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("tracked_projects.id"), primary_key=True, autoincrement=False
    )


class RetiredCredit(Base):
    """The monthly totals of removed projects' ledgers for an account, kind and type."""

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
    """The learned hazard of a type (the probability per second that a render of some age ends); type '' is a kind."""

    __tablename__ = "render_durations"
    __table_args__ = (CheckConstraint("hazard >= 0", name="hazard"),)

    kind: Mapped[str] = mapped_column(String(5), primary_key=True)
    type: Mapped[str] = mapped_column(String(200), primary_key=True)
    age_from: Mapped[float] = mapped_column(primary_key=True)
    age_to: Mapped[float]
    hazard: Mapped[float]
    learned_from: Mapped[int]
    learned_at: Mapped[datetime]


class SettlingRate(Base):
    """The learned probability that credits of a type change before an age after an end with this status."""

    __tablename__ = "settling_rates"
    __table_args__ = (CheckConstraint("rate >= 0 AND rate <= 1", name="rate"),)

    kind: Mapped[str] = mapped_column(String(5), primary_key=True)
    type: Mapped[str] = mapped_column(String(200), primary_key=True)
    status: Mapped[str] = mapped_column(String(200), primary_key=True)
    age: Mapped[float] = mapped_column(primary_key=True)
    rate: Mapped[float]
    learned_from: Mapped[int]
    learned_at: Mapped[datetime]
