"""Rules of the registry: scores and the gate, aliases and their history. Pure."""
