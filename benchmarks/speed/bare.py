"""A bare loop of requests.Session().get: prints requests per second, and CPU milliseconds for each.

python -m benchmarks.speed.bare URL SECONDS
"""

import sys
import time

import requests


def main() -> None:
    """Ask again and again."""
    url, seconds = sys.argv[1], float(sys.argv[2])
    session = requests.Session()
    for _ in range(100):
        session.get(url, timeout=15).json()
    started, used, count = time.monotonic(), time.process_time(), 0
    while time.monotonic() < started + seconds:
        session.get(url, headers={"Authorization": "Bearer any"}, timeout=15).json()
        count += 1
    print(count / (time.monotonic() - started), 1000 * (time.process_time() - used) / count)


if __name__ == "__main__":
    main()
