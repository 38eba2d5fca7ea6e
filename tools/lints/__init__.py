"""Rules of this code base that no off-the-shelf linter knows: `python -m tools.lints FOLDER...`, part of `make lint`.

One module per rule, each opening with what it flags, why, and how to mend it; tests/architecture/test_own_lints.py
plants a violation of each. There is no waiver comment: a finding asks for another place or another name.
"""
