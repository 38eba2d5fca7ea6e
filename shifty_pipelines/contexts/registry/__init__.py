"""Models, their versions, and which of them serves.

Owns models, model versions, evaluations with the gate's verdict, aliases with history and deployments. A model is one
line per (tenant, mission type, base); training adds a version, promotion moves an alias.
"""
