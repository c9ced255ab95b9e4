"""Rows as CSV, JSON lines and Parquet, written in batches."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import IO, Any, Final

from worker.formatting import harmless

Parts = Iterator[Sequence[Sequence[Any]]]


class NoParquetError(Exception):
    """pyarrow is not installed. The message says how to install it."""


def write_csv(file: IO[bytes], columns: dict[str, type], parts: Parts) -> int:
    """Write a header and the rows; times are ISO 8601, booleans are true and false, null is empty."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    count = 0
    for part in parts:
        writer.writerows([_cell(value) for value in row] for row in part)
        count += len(part)
    text.detach()
    return count


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return harmless(value)


def write_jsonl(file: IO[bytes], columns: dict[str, type], parts: Parts) -> int:
    """Write one JSON object per line."""
    count = 0
    for part in parts:
        lines = (json.dumps(dict(zip(columns, row, strict=True)), default=str, ensure_ascii=False) for row in part)
        file.writelines(f"{line}\n".encode() for line in lines)
        count += len(part)
    return count


def write_parquet(file: IO[bytes], columns: dict[str, type], parts: Parts) -> int:
    """Write a Parquet file, a row group for each batch. Raises NoParquetError."""
    try:
        import pyarrow as pa  # noqa: PLC0415  large, and only needed here
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise NoParquetError('Parquet needs pyarrow; run: pip install "renderwatch[parquet]"') from None
    types: Final = {
        str: pa.string(),
        int: pa.int64(),
        float: pa.float64(),
        bool: pa.bool_(),
        datetime: pa.timestamp("us", tz="UTC"),
        dict: pa.string(),
    }
    schema = pa.schema([(name, types[type_]) for name, type_ in columns.items()])
    count = 0
    with parquet.ParquetWriter(file, schema) as writer:
        for part in parts:
            values = [[_plain(value) for value in each] for each in zip(*part, strict=True)]
            arrays = [pa.array(each, type_) for each, type_ in zip(values, schema.types, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            count += len(part)
    return count


def _plain(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
