"""Use cases of the Arcade, one file per story: from authoring and claiming to settling, correcting and the game.

Which answer is right is never decided here; the flows ask curation and say so. Everything is idempotent by its natural
key: claiming again returns what is held, the same answer again returns the same result, settling again changes nothing.
"""

from shifty_pipelines.contexts.arcade.service.answering import Answering
from shifty_pipelines.contexts.arcade.service.batching import Batching
from shifty_pipelines.contexts.arcade.service.claiming import Claiming
from shifty_pipelines.contexts.arcade.service.correcting import Correcting
from shifty_pipelines.contexts.arcade.service.holding import Holding
from shifty_pipelines.contexts.arcade.service.ranking import Ranking
from shifty_pipelines.contexts.arcade.service.settling import Settling
from shifty_pipelines.contexts.arcade.service.shopping import Shopping
from shifty_pipelines.contexts.arcade.service.standing import Standing


class ArcadeService(Batching, Claiming, Holding, Answering, Settling, Correcting, Standing, Shopping, Ranking):
    """Missions, slots, the ledger and the game in the unit of work's tenant."""
