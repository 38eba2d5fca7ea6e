"""Routes, one file per context."""
