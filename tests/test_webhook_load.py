"""Webhooks that are lost, repeated, reordered and forged lead to the same ends as polling alone.

The benchmark of the same name prints the figures (python -m benchmarks.polling.webhooks).
"""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.polling.webhooks import SHARES, Pace, follow

QUICK = Pace(scale=60, every=0.03, tick=0.05, learn_every=2, patience=120)


def test_bad_webhooks_and_polling_alone_end_in_the_same_history_ledger_and_events(
    migrated_sqlite: Path, tmp_path: Path
) -> None:
    alone_file, helped_file = (shutil.copy(migrated_sqlite, tmp_path / name) for name in ("alone.db", "helped.db"))
    with ThreadPoolExecutor(2) as pool:
        alone = pool.submit(follow, f"sqlite:///{alone_file}", 40, QUICK, None)
        helped = pool.submit(follow, f"sqlite:///{helped_file}", 40, QUICK, SHARES)
        polled, hinted = alone.result(), helped.result()
    assert len(polled.endings) == 40
    assert hinted.endings == polled.endings
    assert len(hinted.unreported) < len(polled.unreported) == 40
    assert hinted.webhooks["lost"] > 0
    assert hinted.webhooks["forged and refused"] > 0
    assert "forged and accepted" not in hinted.webhooks
