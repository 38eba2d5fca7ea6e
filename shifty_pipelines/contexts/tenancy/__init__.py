"""Who may do what, and for which tenant.

Owns tenants, users, sessions, roles and grants. A tenant is a customer organisation whose rows, keys and files no other
tenant can see; a user belongs to exactly one tenant. The token says who somebody is; role, grants and status are read
from the database on every request, so taking a right away takes effect at once.
"""
