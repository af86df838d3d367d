"""Feeds a stream with a bad release to a guard that may act: python guard_stream.py FOLDER; a new start continues."""

import sys
from pathlib import Path

from tests.resources.online.guarded import RELEASED, USERS
from tests.resources.online.test_guard import guarded_in

guarded = guarded_in(Path(sys.argv[1]))
guarded.run(range(RELEASED + 5), users=range(USERS))
