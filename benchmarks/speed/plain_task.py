"""A plain Celery task that inserts one row: what a team writes first.

celery -A benchmarks.speed.plain_task worker
"""

import os

from celery import Celery
from sqlalchemy import create_engine, insert
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

app = Celery(broker=os.environ["PLAIN_BROKER"])
app.conf.task_ignore_result = True
app.conf.task_acks_late = True
app.conf.task_default_queue = "plain"
engine = create_engine(os.environ["PLAIN_DATABASE"])


class Base(DeclarativeBase):
    """The table."""


class Render(Base):
    """One project."""

    __tablename__ = "renders"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    project_id: Mapped[str] = mapped_column(unique=True)


@app.task(name="track")
def track(kind: str, project_id: str) -> None:
    """Insert a row."""
    with engine.begin() as connection:
        connection.execute(insert(Render).values(kind=kind, project_id=project_id))
