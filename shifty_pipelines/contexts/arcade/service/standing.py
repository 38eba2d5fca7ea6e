"""A labeler's profile: a projection of the ledger, computed at every read."""

from shifty_pipelines.contexts.arcade.domain.levels import level_of, xp_to_next_level
from shifty_pipelines.contexts.arcade.domain.missions import ProfileView
from shifty_pipelines.contexts.arcade.domain.rewards import STARTING_COINS
from shifty_pipelines.contexts.arcade.models import Profile
from shifty_pipelines.contexts.arcade.service.base import ArcadeUseCases
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.tenant import UserId


class Standing(ArcadeUseCases):
    """What labelers have earned."""

    def profile(self, user_id: UserId) -> ProfileView:
        """A labeler's standing; one's own profile (any, for owner and admin) is made at its first reading.

        Raises:
            NotFound: somebody else's, and they have none yet.
        """
        may_make = user_id == self.work.actor.user_id or self.work.actor.is_lead()
        profile = self._profile(user_id) if may_make else self.repository.profile(user_id)
        if profile is None:
            raise NotFound("Profile")
        return self._standing(profile)

    def rename(self, user_id: UserId, display_name: str) -> ProfileView:
        """Change the name that others see; owner and admin may do so for others, audited."""
        self._require_self_or_lead(user_id, "rename others")
        profile = self._locked_profile(user_id)
        profile.display_name, profile.updated_at = display_name, self.work.clock.now()
        if user_id != self.work.actor.user_id:
            self.work.audit.record("profile.renamed", "arcade_profile", user_id)
        return self._standing(profile)

    def _standing(self, profile: Profile) -> ProfileView:
        balance = self.repository.balance(profile.id)
        activity = self.repository.activity(profile.id)
        return ProfileView(
            user_id=UserId(profile.id),
            tenant_id=profile.tenant_id,
            display_name=profile.display_name,
            xp=balance.xp,
            xp_pending=balance.xp_pending,
            coins=STARTING_COINS + balance.coins,
            level=level_of(balance.xp),
            xp_to_next_level=xp_to_next_level(balance.xp),
            total_missions_completed=activity.completed_count,
            accuracy=activity.right_count / activity.settled_count if activity.settled_count else None,
            last_active_at=activity.last_active_at or profile.created_at,
            created_at=profile.created_at,
            updated_at=profile.updated_at,
        )
