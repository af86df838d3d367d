"""Processes on this machine: Dagster's runs with their event log, and the servers of `up` as one group of processes.

The content of what is served or run belongs to the other packages; `front` guards every port.
"""
