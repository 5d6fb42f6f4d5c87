"""What a model registry must be able to do, whoever makes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, Self

# Where the servable model lies in everything that is recorded and fetched.
SAVED_MODEL: Final = "Format-Serving"
REFERENCE_FOLDER: Final = "reference"
# A folder with one file: the model as Keras saves it, from which a training may start.
KERAS_FOLDER: Final = "Format-Keras"
KERAS_FILE: Final = "model.keras"

# Tags of a run and of a model version, spelled in one place.
FINGERPRINT: Final = "frostgate.fingerprint"
# Of what monitoring compares requests with.
REFERENCE: Final = "frostgate.reference_fingerprint"
# Of what was learnt alone: names in a SavedModel's graph depend on what its process did before.
WEIGHTS: Final = "frostgate.weights_fingerprint"
# Of the model's Keras file.
KERAS: Final = "frostgate.keras_sha256"
# What a training was made of, and the version that it started from, or "none"; without the latter nobody asked for one.
TRAINING_KEY: Final = "frostgate.training_key"
WARM_START: Final = "frostgate.warm_started_from"
# Share of pictures that validated, drawn by their content, or "given" by the data.
VALIDATION: Final = "frostgate.validation_split"
DECISION: Final = "frostgate.decision"
CODES: Final = "frostgate.codes"
RUN_KEY: Final = "frostgate.run_key"
BASELINE: Final = "frostgate.baseline"
ACCURACY: Final = "frostgate.validation_accuracy"
# The verdict in words.
SENTENCE: Final = "frostgate.sentence"
# "yes" or "no": what the serving check found.
SERVES: Final = "frostgate.serves"
# Who answers for a model that the gate did not pass, and who took one back; absent or empty: nobody.
APPROVED: Final = "frostgate.approved_by"
WITHDRAWN: Final = "frostgate.withdrawn_by"
# The champion before this one, and since when this one is.
PREDECESSOR: Final = "frostgate.champion_after"
SINCE: Final = "frostgate.champion_since"
# One tag for each thing that a person did, by time: nothing is overwritten.
AUDIT: Final = "frostgate.audit."


class RegistryUnavailable(RuntimeError):
    """The registry did not answer, or not with sense, after its bounded retries; nothing on disk is lost."""

    @classmethod
    def at(cls, address: str, reason: str) -> Self:
        """Words it for a registry's address and the first line of what went wrong, neither with credentials."""
        return cls(
            f"the model registry at {address} did not do what was asked ({reason}); "
            "nothing is lost: do the same again when the registry works."
        )


class ChampionMoved(RuntimeError):
    """The champion is not the one that was expected: somebody else moved the alias in the meantime."""


@dataclass(frozen=True)
class RegisteredVersion:
    """A version of the registered model, as the registry describes it.

    Attributes:
        version: The registry's number for it.
        run_id: The run that made it; empty where somebody registered it by hand.
        tags: What is said about it; without ours where somebody registered it by hand.
        source: Where its files are.
        created: When it was registered, in milliseconds since 1970, UTC.
        is_champion: Whether the alias points at it.
    """

    version: str
    run_id: str
    tags: Mapping[str, str]
    source: str
    created: int
    is_champion: bool

    @property
    def fingerprint(self) -> str:
        """Hex sha256 of its SavedModel; empty where somebody registered it by hand."""
        return self.tags.get(FINGERPRINT, "")

    @property
    def weights(self) -> str:
        """Hex sha256 of its weights; empty likewise, and for a model without any."""
        return self.tags.get(WEIGHTS, "")

    @property
    def is_audited(self) -> bool:
        """Whether a person did something to it."""
        return any(key.startswith(AUDIT) for key in self.tags)

    @property
    def run_key(self) -> str:
        """What the run was made of (data, configuration, code); empty likewise."""
        return self.tags.get(RUN_KEY, "")

    @property
    def baseline_token(self) -> str:
        """The version it was judged against, or "none"; empty likewise."""
        return self.tags.get(BASELINE, "")


@dataclass(frozen=True)
class ModelRecord:
    """A judged model and all that is said about it.

    Attributes:
        fingerprint: Hex sha256 of the SavedModel; with `decision` the record's identity.
        decision: PASS, BLOCK or HOLD.
        tags: Short texts to search for, the fingerprint and the decision among them.
        params: The flattened configuration.
        metrics: Finite numbers by name.
        artifacts: Local file or folder -> folder in the run ("" for its root). A folder's contents go into it.
    """

    fingerprint: str
    decision: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    artifacts: Mapping[Path, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Registered:
    """What the registry now holds.

    Attributes:
        version: The model version's number.
        run_id: The run it belongs to.
        already_registered: The version was there before; nothing was uploaded.
    """

    version: str
    run_id: str
    already_registered: bool


class ModelRegistry(Protocol):
    """One registered model: its versions, and the alias on the one that serves.

    Every method raises RegistryUnavailable when the registry cannot be reached within bounded retries.
    """

    def champion(self) -> RegisteredVersion | None:
        """The version under the alias, or None while there is none."""
        ...

    def version(self, number: str) -> RegisteredVersion:
        """The version of that number; DataRefused where there is none."""
        ...

    def versions(self) -> list[RegisteredVersion]:
        """Every version, oldest first."""
        ...

    def download(self, version: RegisteredVersion, folder: Path) -> None:
        """Puts its SavedModel into `folder`/Format-Serving; DataRefused if it is not what was registered."""
        ...

    def download_reference(self, version: RegisteredVersion, folder: Path) -> bool:
        """Puts its reference into `folder`/reference; False for a version without one.

        Raises DataRefused if it is not what was registered.
        """
        ...

    def download_keras(self, version: RegisteredVersion, folder: Path) -> bool:
        """Puts its Keras file into `folder`/Format-Keras; False for a version whose file nobody vouches for.

        Raises DataRefused if it is not what was registered.
        """
        ...

    def register(self, record: ModelRecord) -> Registered:
        """Records a run, then a version; again, or twice at once, is one version, and half done is completed."""
        ...

    def forget(self, versions: Sequence[RegisteredVersion]) -> None:
        """Removes versions and what was recorded with them; the champion's is refused with DataRefused."""
        ...

    def tag(self, number: str, tags: Mapping[str, str]) -> None:
        """Says more about a version, in place of what was said under the same names."""
        ...

    def move_alias(self, number: str, expected: str | None) -> None:
        """Makes a version the champion.

        Args:
            number: The version; if it is the champion already, nothing happens.
            expected: The champion that it replaces, None for none.

        Raises:
            ChampionMoved: Another one is the champion by now.
        """
        ...
