"""The simulator: committees of real instances in virtual time, under loss, crashes and adversaries.

It feeds the consensus core exactly what a node feeds it: inputs after they were logged, messages after the
gossip rules and the signature check. Only clock, disk, network and signatures are models. Everything follows
from a ``Setting``, so that a failure is replayed by running the same one again.
"""
