"""Broken selectors and their repair.

Will own selectors and healing attempts, scored on the real page. Not built yet.
"""
