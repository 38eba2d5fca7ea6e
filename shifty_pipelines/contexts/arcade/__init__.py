"""Missions, slots and the XP ledger: the game around labelling.

Owns missions, their slots (exactly k per mission, each leased to one labeler), drafts and the append-only ledger of XP
and coins. It never knows which answer is right; `flows/settle_mission.py` tells it.
"""
