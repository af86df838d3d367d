"""What runs on this machine: Dagster's runs with their log, and the servers of `up` as one group of processes.

What is served or run belongs to the other rooms; `front` is the one guard before every port.
"""
