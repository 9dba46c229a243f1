"""The contract's other half: how programs show who they are, and how what they say is kept from others' eyes.

What server, balancer and web gateway must do alike to the bit, because a difference would be a hole: certificates that
are read anew, tokens, names of peers, refusals. Knows nothing about lanes, instances or models, nor about who may do what.
"""
