"""renderwatch metadata, and lists of projects by their metadata."""

from tests.cli.conftest import Run
from tests.store.world import request, track
from worker.store.engine import Database


def test_spend_and_open_work_by_customer(run: Run, store: Database) -> None:
    track(
        store, request(1, credits_charged=450, metadata={"customer": "=acme"}), request(2, metadata={"customer": 4711})
    )
    assert run("metadata").out.split()[-1] == "customer"
    rows = run("metadata", "customer", "--json").json
    assert rows[0] == {"value": "=acme", "spent": 450, "refunded": 0, "failed": 0, "open": 1}
    assert run("metadata", "customer", "--csv").out.splitlines() == [
        "customer,spent,refunded,failed,open", "'=acme,450,0,0,1", "4711,0,0,0,1"
    ]  # fmt: skip
    said = run("metadata", "customer", "--limit", "1")
    assert "--limit shows more" in said.err
    assert "=acme" in said.out
    listed = run("list", "--metadata", "customer:47*", "--json").json
    assert [row["metadata"] for row in listed] == [{"customer": 4711}]
    assert "write KEY:VALUE" in run("list", "--metadata", "customer").err
