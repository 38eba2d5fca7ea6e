"""Connections to outside tools.

Owns webhooks going out: endpoints, their secrets, deliveries with retries, and their log. Connections to vendors and
webhooks coming in are not built yet.
"""
