"""The command line: the commands and options of `intelligence`, and its output at a terminal or as JSON.

Commands call services and pure functions, which compute the results. Only their presentation as text, tables and colours
belongs here.
"""
