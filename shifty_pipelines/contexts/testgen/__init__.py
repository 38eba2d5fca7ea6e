"""Generated tests.

Will own generated test cases and regression tests that really ran. Not built yet.
"""
