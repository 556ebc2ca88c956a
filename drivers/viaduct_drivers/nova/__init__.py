"""A thin subclass of Nova's vmwareapi driver, and one module for each upstream bug that a tenant would meet.

Written against nova 34.0.0. `driver` is what Nova loads; `patches` lists the upstream functions replaced.
"""
