"""Inference's ways to the outside world."""
