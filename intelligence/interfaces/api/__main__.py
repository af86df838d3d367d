"""Serves the API on loopback: python -m intelligence.interfaces.api PORT."""

import sys

from intelligence.interfaces.api.app import app_of
from resources.config.settings import settings
from resources.platform import Platform
from resources.processes.front.serving import served

if __name__ == "__main__":
    served(app_of(Platform.of(settings()).rows), port=int(sys.argv[1]))
