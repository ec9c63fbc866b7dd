"""The doctor: is everything ready for tonight, and for how long. It changes nothing.

Small checks, a module for each part of the desk; each returns lines, none stops the others. What
is asked of the gateway is asked on one connection; without a gateway the rest is still checked.
"""
