"""One more day of a site of `benchmarks.day`, in a process of its own; arguments: folder, events per day, the day."""

import sys
from datetime import date
from pathlib import Path

from benchmarks.day import site


def main() -> None:
    folder, events, day = sys.argv[1:]
    site(Path(folder), int(events)).grown([date.fromisoformat(day)])


if __name__ == "__main__":
    main()
