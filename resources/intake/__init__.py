"""From delivered files to events, quarantine and ledger: found, looked at, judged, written, taken back, driven again.

The product file, which names the sources, is read here. Tables that are made from events belong to assets and services.
"""
