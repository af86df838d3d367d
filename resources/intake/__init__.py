"""The intake: delivered files are found, previewed, validated and written as events, quarantine and ledger.

Withdrawing what a file delivered before, redriving rows from quarantine and reading the product file, which names the sources,
belong here too. Tables that are built from events belong to `assets` and `resources.services`.
"""
