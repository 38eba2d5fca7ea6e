"""A labeler's profile: a projection of the ledger, computed at every read; and what they may change of it."""

from shifty_pipelines.contexts.arcade.domain.boards import MIN_ACCURACY_ANSWERS, shown_accuracy, wilson_lower_bound
from shifty_pipelines.contexts.arcade.domain.levels import level_of, xp_to_next_level
from shifty_pipelines.contexts.arcade.domain.missions import MissionType
from shifty_pipelines.contexts.arcade.domain.profiles import ProfileChange, ProfileView, Visibility
from shifty_pipelines.contexts.arcade.domain.rewards import STARTING_COINS
from shifty_pipelines.contexts.arcade.domain.shop import SHOP_ITEMS, ItemKind
from shifty_pipelines.contexts.arcade.domain.zones import ZONE_CHANGE_INTERVAL, checked_zone
from shifty_pipelines.contexts.arcade.errors import NotOwned, ProfilePrivate, ZoneChangedLately
from shifty_pipelines.contexts.arcade.models import Profile
from shifty_pipelines.contexts.arcade.service.base import ArcadeUseCases
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.tenant import UserId

#: Somebody whose share of right answers is hardly below this, whatever their luck, knows a mission type.
EXPERT_ACCURACY = 0.7


class Standing(ArcadeUseCases):
    """What labelers have earned."""

    def profile(self, user_id: UserId) -> ProfileView:
        """A labeler's standing; one's own profile (any, for owner and admin) is made at its first reading.

        Raises:
            NotFound: somebody else's, and they have none yet.
            ProfilePrivate: somebody else's, and they show themselves under a pseudonym or not at all: their figures
                would tell which line of a board is theirs.
        """
        may_see_all = user_id == self.work.actor.user_id or self.work.actor.is_lead()
        profile = self._profile(user_id) if may_see_all else self.repository.profile(user_id)
        if profile is None:
            raise NotFound("Profile")
        if not may_see_all and profile.visibility != Visibility.NAMED:
            raise ProfilePrivate
        return self._standing(profile)

    def rename(self, user_id: UserId, display_name: str) -> ProfileView:
        """Change the name that others see; owner and admin may do so for others, audited."""
        return self.change_profile(user_id, ProfileChange(display_name=display_name))

    def change_profile(self, user_id: UserId, change: ProfileChange) -> ProfileView:
        """Change one's name, time zone, visibility or cosmetic; owner and admin may do so for others, audited.

        Raises:
            InvalidValue: there is no such time zone.
            ZoneChangedLately: the zone was changed less than seven days ago.
            NotOwned: the cosmetic was not bought.
        """
        self._require_self_or_lead(user_id, "change the profiles of others")
        profile = self._locked_profile(user_id)
        if change.display_name is not None:
            profile.display_name = change.display_name
        if change.zone is not None:
            self._move(profile, checked_zone(change.zone))
        if change.cosmetic is not None:
            self._put_on(profile, change.cosmetic)
        if change.visibility is not None:
            self._show_as(profile, change.visibility)
        profile.updated_at = self.work.clock.now()
        if user_id != self.work.actor.user_id:
            self.work.audit.record("profile.changed", "arcade_profile", user_id)
        return self._standing(profile)

    def _move(self, profile: Profile, zone: str) -> None:
        now, changed_at = self.work.clock.now(), profile.zone_changed_at
        if zone == profile.zone:
            return
        if changed_at is not None and now < changed_at + ZONE_CHANGE_INTERVAL:
            raise ZoneChangedLately(changed_at + ZONE_CHANGE_INTERVAL)
        profile.zone, profile.zone_changed_at = zone, now
        self.repository.session.flush()
        self.game.move_clock(profile)

    def _put_on(self, profile: Profile, cosmetic: str) -> None:
        if cosmetic and cosmetic not in self._cosmetics(profile):
            raise NotOwned(cosmetic)
        profile.cosmetic = cosmetic or None

    def _show_as(self, profile: Profile, visibility: Visibility) -> None:
        was = profile.visibility
        if visibility == was:
            return
        if visibility is Visibility.PSEUDONYM:
            # Made of nothing: it cannot be worked out from the id, and leaving and coming back gives another.
            profile.pseudonym = f"Labeler {self.work.ids.new().hex[-8:]}"
        profile.visibility = visibility.value
        self.repository.session.flush()
        if visibility is Visibility.HIDDEN:
            self.game.hide(profile.id)
        elif was == Visibility.HIDDEN:
            self.game.show(profile)

    def _cosmetics(self, profile: Profile) -> tuple[str, ...]:
        bought = self.game.repository.bought_counts(profile.id)
        return tuple(sorted(item for item in bought if SHOP_ITEMS[item].kind is ItemKind.COSMETIC))

    def _standing(self, profile: Profile) -> ProfileView:
        balance = self.repository.balance(profile.id)
        activity = self.repository.activity(profile.id)
        tally = self.game.repository.tally(profile.id)
        streak = self.game.state_now(profile)
        today = self.game.clock_of(profile).local_date
        return ProfileView(
            user_id=UserId(profile.id),
            tenant_id=profile.tenant_id,
            display_name=profile.display_name,
            xp=balance.xp,
            xp_pending=balance.xp_pending,
            coins=STARTING_COINS + balance.coins,
            level=level_of(balance.xp),
            xp_to_next_level=xp_to_next_level(balance.xp),
            streak_days=streak.days,
            longest_streak=streak.longest_days,
            streak_freezes=streak.free_left(today) + streak.bought_count,
            total_missions_completed=activity.completed_count,
            total_xp_earned=balance.xp,
            accuracy=shown_accuracy(tally.right_count, tally.settled_count),
            expertise_areas=self._expertise(profile),
            badges=tuple(self.game.repository.badges(profile.id)),
            cosmetics=self._cosmetics(profile),
            cosmetic=profile.cosmetic,
            time_zone=profile.zone,
            visibility=Visibility(profile.visibility),
            last_active_at=activity.last_active_at or profile.created_at,
            created_at=profile.created_at,
            updated_at=profile.updated_at,
        )

    def _expertise(self, profile: Profile) -> tuple[MissionType, ...]:
        return tuple(
            MissionType(mission_type)
            for mission_type, settled, right in self.game.repository.tallies_by_type(profile.id)
            if settled >= MIN_ACCURACY_ANSWERS and wilson_lower_bound(right, settled) >= EXPERT_ACCURACY
        )
