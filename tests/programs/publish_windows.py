"""Reads made-up events into a store and its windows into Redis: python publish_windows.py FOLDER REDIS EVENTS; a new start continues."""

import sys
from pathlib import Path

from resources.online.store import OnlineStore
from tests.resources.online.test_shared_windows import events, online_in, published, publisher_of

folder, url, wanted = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
online = online_in(folder)
publisher = publisher_of(online, url)
print("reading", flush=True)
while (done := sum(OnlineStore(folder / "online.db").tallies().values())) < wanted:
    online.feed.offsets[0] = done
    online.process(*events(done, 10))
    publisher()
published(publisher)
