"""ML2 mechanism driver `viaduct_dvs`: Neutron networks as port groups of a vSphere distributed switch.

Only `mech_driver`, `database` and `cli` import Neutron; the rest runs and is tested without it.
"""
