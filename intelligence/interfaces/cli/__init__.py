"""The command line: what `intelligence` takes, and what it says at a terminal or as JSON.

Commands call services and pure functions. What they find out belongs there; here it is put into words, tables and colours.
"""
