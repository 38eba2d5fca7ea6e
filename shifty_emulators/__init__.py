"""Outside services' wire formats for tests and demos. Nothing of ours is imported here."""
