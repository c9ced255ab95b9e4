"""The usual design, written well: one Celery task per project, with a GET, a SELECT, an UPDATE and a COMMIT.

celery -A benchmarks.speed.usual worker -Q checks,plan
"""

import os
from datetime import UTC, datetime

import requests
from celery import Celery
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

app = Celery(broker=os.environ["USUAL_BROKER"])
app.conf.task_ignore_result = True
app.conf.task_default_queue = "checks"
app.conf.task_routes = {"plan": {"queue": "plan"}}

engine = create_engine(os.environ["USUAL_DATABASE"], pool_pre_ping=False)


class Base(DeclarativeBase):
    """The tables."""


class Render(Base):
    """One project."""

    __tablename__ = "renders"

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(unique=True)
    status: Mapped[str] = mapped_column(default="queued")
    credits_charged: Mapped[int] = mapped_column(default=0)
    checked_at: Mapped[datetime | None]


@app.task(name="plan")
def plan(first: int, last: int) -> None:
    """Send a task for each project that is due."""
    with Session(engine) as session:
        ids = session.scalars(select(Render.id).where(Render.id >= first, Render.id < last)).all()
    for render in ids:
        check.delay(render)


@app.task(name="check")
def check(render_id: int) -> None:
    """Ask for one project, and store what came."""
    with Session(engine) as session:
        render = session.get_one(Render, render_id)
        response = requests.get(
            f"{os.environ['USUAL_API']}/v1/video-projects/{render.project_id}",
            headers={"Authorization": "Bearer any"},
            timeout=15,
        )
        response.raise_for_status()
        body = response.json()
        render.status = body["status"]
        render.credits_charged = body["credits_charged"]
        render.checked_at = datetime.now(UTC)
        session.commit()
