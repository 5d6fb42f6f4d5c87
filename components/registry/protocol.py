"""What a model registry must be able to do, whoever makes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

# Tags of a run and of a model version, spelled in one place.
FINGERPRINT: Final = "frostgate.fingerprint"
DECISION: Final = "frostgate.decision"
RUN_KEY: Final = "frostgate.run_key"
BASELINE: Final = "frostgate.baseline"


class RegistryUnavailable(RuntimeError):
    """The registry did not answer, or not with sense, after its bounded retries; nothing on disk is lost."""


@dataclass(frozen=True)
class ChampionInfo:
    """A version of the registered model, as the registry describes it.

    Attributes:
        version: The registry's number for it.
        run_id: The run that made it; empty where somebody registered it by hand.
        fingerprint: Hex sha256 of its SavedModel; empty where somebody registered it by hand.
        run_key: What the run was made of (data, configuration, code); empty likewise.
        baseline_token: The version it was judged against, or "none"; empty likewise.
        tracking_uri: The registry's address, without credentials.
    """

    version: str
    run_id: str
    fingerprint: str
    run_key: str
    baseline_token: str
    tracking_uri: str


@dataclass(frozen=True)
class ModelRecord:
    """A judged model and all that is said about it.

    Attributes:
        fingerprint: Hex sha256 of the SavedModel; with `decision` the record's identity.
        decision: PASS, BLOCK or HOLD.
        tags: Short texts to search for, the four named in this module among them.
        params: The flattened configuration.
        metrics: Finite numbers by name.
        artifacts: Local file or folder -> folder in the run ("" for its root). A folder's contents go into it.
        promote: Whether the alias moves here: only for a model that passed and was pushed.
    """

    fingerprint: str
    decision: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    artifacts: Mapping[Path, str] = field(default_factory=dict)
    promote: bool = False


@dataclass(frozen=True)
class Registered:
    """What the registry now holds.

    Attributes:
        version: The model version's number.
        run_id: The run it belongs to.
        alias: The alias that points at it, or None.
        already_registered: The version was there before; nothing was uploaded.
    """

    version: str
    run_id: str
    alias: str | None
    already_registered: bool


class ModelRegistry(Protocol):
    """One registered model: its versions, and the alias on the one that serves.

    Every method raises RegistryUnavailable when the registry cannot be reached within bounded retries.
    """

    def champion(self) -> ChampionInfo | None:
        """The version under the alias, or None while there is none."""
        ...

    def version(self, number: str) -> ChampionInfo:
        """The version of that number; ValueError where there is none."""
        ...

    def download(self, info: ChampionInfo, folder: Path) -> None:
        """Puts the version's SavedModel into `folder`/Format-Serving; ValueError if it is not what was registered."""
        ...

    def register(self, record: ModelRecord) -> Registered:
        """Records a run, then a version, then, if `promote`, the alias; again is a no-op, half done is completed."""
        ...
