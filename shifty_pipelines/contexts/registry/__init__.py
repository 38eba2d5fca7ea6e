"""Models, their versions, and which of them serves.

Will own models, model versions, evaluations, aliases with history and model deployments. A model is one line per
(tenant, mission type, base); training adds a version, promotion moves an alias. Not built yet.
"""
