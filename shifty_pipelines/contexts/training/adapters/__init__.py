"""Training's ways to the outside world."""
