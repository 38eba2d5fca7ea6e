"""The registry's ways to the outside world."""
