"""What a child was confined by, as it is told to people and to machines."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from components.confinement.limits import Limits

Network = Literal["none", "udp only", "allowed", "not taken away"]
Writing = Literal["own folder", "own folder, others emptied", "not taken away"]


@dataclass(frozen=True)
class Had:
    """What the kernel gave; said by the child before it looks at anything foreign."""

    network: Network
    """`allowed` where it was asked for."""
    writing: Writing
    may_start_programs: bool
    """Whether it could start other programs and processes."""
    memory_bytes: int | None
    """The most that it may take; None: not limited."""
    minutes: float
    mechanisms: tuple[str, ...]
    missing: tuple[str, ...]
    """What this system did not give, each with its reason."""

    @classmethod
    def from_document(cls, document: dict[str, Any], limits: Limits) -> Self:
        """Takes what a child said, and the limits that its parent keeps."""
        return cls(
            network=document["network"],
            writing=document["writing"],
            may_start_programs=document["may_start_programs"],
            memory_bytes=limits.memory_bytes,
            minutes=round(limits.seconds / 60, 4),
            mechanisms=tuple(document["mechanisms"]),
            missing=tuple(document["missing"]),
        )

    @property
    def sentence(self) -> str:
        """One line for people, without a full stop."""
        network = {
            "none": "without network",
            "udp only": "without TCP, but with UDP, which this system does not take away",
            "allowed": "with network and your environment, for the data are remote",
            "not taken away": "with network, which this system does not take away",
        }[self.network]
        writing = {
            "own folder": "writing only in a folder of its own",
            "own folder, others emptied": "writing only in a folder of its own, but able to empty your files, for this "
            "kernel is older than 6.2",
            "not taken away": "writing wherever you may, which this system does not take away",
        }[self.writing]
        memory = "any amount" if self.memory_bytes is None else f"at most {gigabytes(self.memory_bytes)}"
        return f"examined {network}, {writing}, in {memory} of memory and at most {self.minutes:g} minutes"

    def document(self) -> dict[str, Any]:
        """Everything as JSON."""
        return {"sentence": self.sentence} | asdict(self)


def gigabytes(number: int) -> str:
    """Bytes for people."""
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"
