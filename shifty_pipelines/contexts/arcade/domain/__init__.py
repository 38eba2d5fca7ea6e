"""Rules of the Arcade, pure: missions and their slots, rewards, levels."""
