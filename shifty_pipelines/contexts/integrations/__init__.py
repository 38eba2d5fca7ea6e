"""Connections to outside tools.

Will own integrations, signed webhooks in and out, and deliveries with retries. Not built yet.
"""
