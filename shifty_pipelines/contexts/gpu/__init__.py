"""Rented GPU instances and what they cost.

Will own instances, offers, cost entries and budgets: nothing is rented without a reservation against a budget, and
nothing keeps billing unseen. Not built yet.
"""
