"""Release policies, gates and rollbacks.

Will own release policies, their evaluations, gates and releases. Not built yet.
"""
