"""Data assets and, later, their retention and provable deletion.

Owns the register of data assets (what is stored, where, how classified, under which key slot). Retention, holds,
deletion jobs and certificates come later.
"""
