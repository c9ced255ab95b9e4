"""renderwatch export, as other programs meet it."""

import csv
import io
import json
import os
import sys
import threading
import tracemalloc
from datetime import timedelta
from pathlib import Path

import pytest
from pyarrow import parquet

from tests.cli.conftest import Run
from tests.store.world import answer, name, pass_time, request, seen, track
from worker.store.engine import Database, clock
from worker.store.readers.export import stream

CUSTOMER = {"customer": "=acme", "size": 3}


@pytest.fixture
def exported(store: Database) -> Database:
    track(store, request(1, metadata=CUSTOMER))
    answer(store, seen("rendering", 450, name="=1+1"), seen("complete", 300, name="=1+1", fps=24.0))
    return store


@pytest.mark.usefixtures("exported")
def test_csv_has_the_columns_of_the_view_and_no_formula(run: Run) -> None:
    (row,) = csv.DictReader(io.StringIO(run("export", "projects").out))
    assert (row["project_id"], row["credits_charged"], row["is_finished"]) == (name(1), "300", "true")
    assert (row["name"], row["fps"], row["closed_at"]) == ("'=1+1", "24.0", "")
    assert json.loads(row["metadata"]) == CUSTOMER
    assert row["tracked_at"].endswith("+00:00")


@pytest.mark.usefixtures("exported")
def test_json_lines(run: Run) -> None:
    lines = [json.loads(line) for line in run("export", "ledger", "--format", "jsonl").out.splitlines()]
    assert [(line["reason"], line["amount_credits"]) for line in lines] == [("estimate", 450), ("final", -150)]
    assert lines[0]["is_flagged"] is False
    lines = [json.loads(line) for line in run("export", "transitions", "--format", "jsonl").out.splitlines()]
    assert [line["to_status"] for line in lines] == ["rendering", "complete"]
    assert lines[1]["uncertainty_seconds"] >= 0


@pytest.mark.usefixtures("exported")
@pytest.mark.parametrize("what", ["projects", "transitions", "ledger"])
def test_parquet_keeps_types(run: Run, tmp_path: Path, what: str) -> None:
    file = tmp_path / "out.parquet"
    said = run("export", what, "--format", "parquet", "--output", str(file))
    found = parquet.read_table(file)
    assert (said.code, said.err) == (0, f"{found.num_rows} rows\n")
    assert str(found.schema.field("observed_at").type) == "timestamp[us, tz=UTC]"
    assert list(tmp_path.glob("*.part")) == []


def test_since(run: Run, exported: Database) -> None:
    with exported.read() as connection:
        later = clock(connection) + timedelta(hours=1)
    for what in ("projects", "transitions", "ledger"):
        assert run("export", what, "--since", later.isoformat()).err == "0 rows\n"
        assert run("export", what, "--since", "2020-01-01").err != "0 rows\n"
    pass_time(exported, 7200)
    assert run("export", "projects", "--since", (later - timedelta(hours=2)).isoformat()).err == "0 rows\n"


def test_what_cannot_be_exported_is_explained(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "needs --output" in run("export", "ledger", "--format", "parquet").err
    assert "is not an ISO 8601 time" in run("export", "ledger", "--since", "yesterday").err
    assert "cannot be written" in run("export", "ledger", "--output", str(tmp_path / "no" / "where.csv")).err
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    said = run("export", "ledger", "--format", "parquet", "--output", str(tmp_path / "out.parquet"))
    assert 'pip install "renderwatch[parquet]"' in said.err
    assert list(tmp_path.iterdir()) == [] or not (tmp_path / "out.parquet").exists()


def test_memory_does_not_grow_with_the_rows(store: Database) -> None:
    def peak(rows: int) -> int:
        track(store, *(request(number, metadata={"text": "x" * 500}) for number in range(rows)))
        tracemalloc.start()
        with store.read() as connection:
            assert sum(len(part) for part in stream(connection, "projects", None)) == rows
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    few = peak(10_000)
    assert peak(20_000) < 1.5 * few


@pytest.mark.usefixtures("exported")
def test_a_link_is_written_through(run: Run, tmp_path: Path) -> None:
    target, link = tmp_path / "target.csv", tmp_path / "link.csv"
    target.write_text("old")
    link.symlink_to(target)
    assert run("export", "projects", "--output", str(link)).code == 0
    assert link.is_symlink()
    assert name(1) in target.read_text()


@pytest.mark.usefixtures("exported")
def test_a_pipe_is_written_to(run: Run, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[str] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_text()))
    reader.start()
    assert run("export", "projects", "--output", str(pipe)).code == 0
    reader.join(30)
    assert name(1) in received[0]
    assert pipe.is_fifo()


@pytest.mark.usefixtures("exported")
def test_a_full_device_is_said_and_stays_a_device(run: Run) -> None:
    said = run("export", "projects", "--output", "/dev/full")
    assert said.code == 1
    assert "/dev/full cannot be written: No space left on device" in said.err
    assert Path("/dev/full").is_char_device()


@pytest.mark.usefixtures("exported")
def test_a_plain_file_keeps_its_permissions_and_leaves_no_other_file(run: Run, tmp_path: Path) -> None:
    plain = tmp_path / "plain" / "projects.csv"
    plain.parent.mkdir()
    plain.write_text("old")
    plain.chmod(0o640)
    assert run("export", "projects", "--output", str(plain)).code == 0
    assert plain.stat().st_mode & 0o777 == 0o640
    assert list(plain.parent.iterdir()) == [plain]


@pytest.mark.usefixtures("exported")
def test_a_read_only_file_is_not_replaced(run: Run, tmp_path: Path) -> None:
    kept = tmp_path / "kept.csv"
    kept.write_text("old")
    kept.chmod(0o444)
    said = run("export", "projects", "--output", str(kept))
    assert (said.code, kept.read_text()) == (1, "old")
    assert f"{kept} cannot be written: it is read-only" in said.err
