"""Recording a model, and making it the champion: the alias moves last."""

from datetime import UTC, datetime

from components.registry import champions
from components.registry.protocol import (
    WEIGHTS,
    WITHDRAWN,
    ChampionMoved,
    ModelRecord,
    ModelRegistry,
    Registered,
    RegisteredVersion,
)


def publish(registry: ModelRegistry, record: ModelRecord, promote: bool) -> Registered:
    """Records a judged model; whoever follows the alias afterwards finds everything there.

    Args:
        registry: Where to.
        record: The model and its verdict.
        promote: Whether it passed and is served, so that the alias moves to it.

    Raises:
        ChampionMoved: The champion is not the one that the gate compared the model with.
    """
    registered = registry.register(record)
    if promote:
        weights, against = record.tags.get(WEIGHTS, ""), champions.judged_against(record.tags)
        versions = registry.versions()
        if reason := champions.objection(record.fingerprint, weights, against, versions):
            raise ChampionMoved(reason)
        make_champion(registry, registered.version, champions.champion_of(versions))
    return registered


def make_champion(registry: ModelRegistry, number: str, champion: RegisteredVersion | None) -> None:
    """Moves the alias, having written down which version it was taken from.

    Args:
        registry: Whose alias.
        number: The version that gets it.
        champion: The version that had it when this was decided.

    Raises:
        ChampionMoved: Another one has it by now.
    """
    if champion and champion.version == number:
        if champion.tags.get(WITHDRAWN):  # By a rollback that was killed before it moved the alias.
            registry.tag(number, {WITHDRAWN: ""})
        return
    registry.tag(number, champions.promotion(champion, datetime.now(UTC)))
    registry.move_alias(number, champion.version if champion else None)
