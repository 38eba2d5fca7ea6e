"""The only place where two contexts meet: one file is one story, told top to bottom."""
