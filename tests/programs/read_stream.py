"""Reads a topic into a store until it holds a number of messages: python read_stream.py FOLDER BROKERS MESSAGES."""

import sys
from pathlib import Path

from intelligence.catalog.product import product_from
from resources.online.processor import Processor
from resources.online.store import OnlineStore
from resources.online.stream import Stream
from tests.lakes import lake_in
from tests.resources.online.streamed import PRODUCT

folder, brokers, wanted = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
text = PRODUCT.replace("online:", "online:\n  batch_events: 50\n  file_events: 200")
product, store = product_from(text), OnlineStore(folder / "online.db")
processor = Processor(product, lake_in(folder / "lake"), store)
stream = Stream(product, processor, store, brokers=brokers, landing=folder / "landing")
print("reading", flush=True)
while sum(store.tallies().values()) < wanted:
    stream.turn()
    stream.deliver()
stream.deliver(all_rows=True)
stream.close()
