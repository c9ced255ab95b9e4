"""The same with procrastinate, as its documentation shows it: an asynchronous task a check, which defers the next one.

python benchmarks/peers/procrastinate_worker.py DATABASE API [prepare]
"""

import asyncio
import json
import sys
from typing import Any

import aiohttp
import procrastinate
from psycopg_pool import AsyncConnectionPool

CONCURRENCY = 200
DATABASE, API = sys.argv[1:3]
app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=DATABASE, max_size=10))
shared: dict[str, Any] = {}


@app.task(name="check", retry=procrastinate.RetryStrategy(max_attempts=20, exponential_wait=2))
async def check(render_id: int, project_id: str) -> None:
    """Check one project, and plan its next check."""
    async with shared["session"].get(f"/v1/video-projects/{project_id}") as response:
        response.raise_for_status()
        body = await response.json()
    async with shared["pool"].connection() as connection:
        row = await connection.execute("SELECT status, credits FROM renders WHERE id = %s FOR UPDATE", (render_id,))
        before = await row.fetchone()
        seen = (body["status"], body["credits_charged"])
        await connection.execute(
            "UPDATE renders SET status = %s, credits = %s, check_count = check_count + 1,"
            " next_check_at = now() + interval '1 s' WHERE id = %s",
            (*seen, render_id),
        )
        if before != seen:
            news = json.dumps({"project": project_id, "status": seen[0]})
            await connection.execute("INSERT INTO outbox (render_id, payload) VALUES (%s, %s)", (render_id, news))
    await check.configure(schedule_in={"seconds": 1}).defer_async(render_id=render_id, project_id=project_id)


async def prepare() -> None:
    """Make procrastinate's tables, and a job for each project."""
    async with app.open_async(), AsyncConnectionPool(DATABASE) as pool, pool.connection() as connection:
        await app.schema_manager.apply_schema_async()
        rows = await (await connection.execute("SELECT id, project_id FROM renders")).fetchall()
        await check.batch_defer_async(*({"render_id": row[0], "project_id": row[1]} for row in rows))


async def main() -> None:
    """Work until the process is ended."""
    connector = aiohttp.TCPConnector(limit=CONCURRENCY)
    headers = {"Authorization": "Bearer any-key"}
    async with (
        app.open_async(),
        AsyncConnectionPool(DATABASE, max_size=10) as shared["pool"],
        aiohttp.ClientSession(API, connector=connector, headers=headers) as shared["session"],
    ):
        await app.run_worker_async(concurrency=CONCURRENCY, delete_jobs="always", wait=True)


asyncio.run(prepare() if "prepare" in sys.argv else main())
