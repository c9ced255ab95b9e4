"""What an engineer writes in an afternoon: leases with SKIP LOCKED, many requests at once, batches, an outbox.

python benchmarks/peers/poller.py DATABASE API

No rate limit, no back-off, no ledger, no deliveries, no metrics, no bound for answers; the rest is done well.
"""

import asyncio
import json
import sys

import aiohttp
import asyncpg

BATCH = 500
LOOPS = 2  # one asks while the other one records
CLAIM = """
UPDATE renders SET leased_until = now() + interval '60 s' WHERE id = ANY(ARRAY(
  SELECT id FROM renders WHERE next_check_at <= now() AND (leased_until IS NULL OR leased_until < now())
  ORDER BY next_check_at LIMIT $1 FOR UPDATE SKIP LOCKED)) RETURNING id, project_id, status, credits"""
RECORD = """
UPDATE renders SET next_check_at = now() + interval '1 s', leased_until = NULL, check_count = check_count + 1,
  status = given.status, credits = given.credits
FROM unnest($1::bigint[], $2::text[], $3::int[]) AS given(id, status, credits) WHERE renders.id = given.id"""
OUTBOX = "INSERT INTO outbox (render_id, payload) SELECT * FROM unnest($1::bigint[], $2::text[])"
RELEASE = "UPDATE renders SET leased_until = NULL, next_check_at = now() + interval '10 s' WHERE id = ANY($1)"


async def ask(session: aiohttp.ClientSession, row: asyncpg.Record) -> tuple[asyncpg.Record, tuple[str, int] | None]:
    """Return the row, and what the API says of its project; None if that went wrong."""
    try:
        async with session.get(f"/v1/video-projects/{row['project_id']}") as response:
            response.raise_for_status()
            body = await response.json()
            return row, (body["status"], body["credits_charged"])
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError):
        return row, None


async def check(pool: asyncpg.Pool, session: aiohttp.ClientSession) -> int:
    """Check one batch, and return how many projects it had."""
    rows = await pool.fetch(CLAIM, BATCH)
    if not rows:
        return 0
    answers = await asyncio.gather(*(ask(session, row) for row in rows))
    good = [(row, seen) for row, seen in answers if seen]
    changed = [(row, seen) for row, seen in good if (row["status"], row["credits"]) != seen]
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            RECORD, [row["id"] for row, _ in good], [seen[0] for _, seen in good], [seen[1] for _, seen in good]
        )
        if changed:
            news = [json.dumps({"project": row["project_id"], "status": seen[0]}) for row, seen in changed]
            await connection.execute(OUTBOX, [row["id"] for row, _ in changed], news)
        if len(good) < len(rows):
            await connection.execute(RELEASE, [row["id"] for row, seen in answers if not seen])
    return len(rows)


async def work(pool: asyncpg.Pool, session: aiohttp.ClientSession) -> None:
    """Check for ever."""
    while True:
        if not await check(pool, session):
            await asyncio.sleep(0.1)


async def main() -> None:
    """Run the loops."""
    database, api = sys.argv[1:]
    connector = aiohttp.TCPConnector(limit=LOOPS * BATCH)
    timeout = aiohttp.ClientTimeout(total=15)
    headers = {"Authorization": "Bearer any-key"}
    async with (
        asyncpg.create_pool(database, min_size=LOOPS, max_size=LOOPS) as pool,
        aiohttp.ClientSession(api, connector=connector, timeout=timeout, headers=headers) as session,
    ):
        await asyncio.gather(*(work(pool, session) for _ in range(LOOPS)))


asyncio.run(main())
