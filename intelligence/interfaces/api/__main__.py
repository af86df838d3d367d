"""Serves the API on loopback: python -m intelligence.interfaces.api PORT."""

import sys

from intelligence.interfaces.api.app import app_of
from intelligence.interfaces.api.keys import with_keys
from resources.config.settings import api_keys, settings
from resources.platform import Platform
from resources.processes.front.serving import served

if __name__ == "__main__":
    platform = Platform.of(settings())
    served(with_keys(app_of(platform.rows, platform.reading), api_keys()), port=int(sys.argv[1]))
