"""Settings from the environment, resources without run config, process identity, fault points and failures of stores.

Code belongs here if several independent packages of `resources` need it. Code that depends on another of these packages, or that
only one of them needs, does not.
"""
