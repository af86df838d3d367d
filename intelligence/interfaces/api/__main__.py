"""Serves the API on loopback: python -m intelligence.interfaces.api PORT."""

import sys

from intelligence.interfaces.api.app import app_of
from resources.config.settings import settings
from resources.platform import Platform
from resources.processes.front.serving import served

if __name__ == "__main__":
    platform = Platform.of(settings())
    served(app_of(platform.rows, platform.reading), port=int(sys.argv[1]))
