"""Errors from production.

Owns error events as they arrive from monitoring tools. Clustering, impact and feedback rules come later.
"""
