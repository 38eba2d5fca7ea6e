"""A small web shop whose errors are real: what its code did not foresee, its visitors, suppliers and settings supply.

It knows nothing of the platform but the address its error reports go to (reporting.py), and nothing of causes.py.
"""
