"""What a blessing vouches for: the hashes of the model that was judged and of the page that says what was found.

Both are texts, which every metadata store hands back as they were.
"""

from pathlib import Path
from typing import Final

from tfx.types.artifact import Artifact

from components.errors import ArtifactChanged
from components.push_gate.fingerprint import file_sha256, fingerprint_if_any

# Of everything in the Model artifact: what is registered beside the SavedModel was judged with it.
MODEL_FINGERPRINT: Final = "model_fingerprint"
# Of the gate's verdict.json, or of the serving check's serving.json.
DOCUMENT_SHA256: Final = "document_sha256"


def vouch(blessing: Artifact, model_fingerprint: str | None, document: str) -> None:
    """Writes down what was judged and what was said of it.

    Args:
        blessing: The gate's or the serving check's.
        model_fingerprint: Of the Model artifact's folder, taken before it was judged; None where it had no files.
        document: Address of the file that says what was found; written.
    """
    if model_fingerprint is not None:
        blessing.set_string_custom_property(MODEL_FINGERPRINT, model_fingerprint)
    blessing.set_string_custom_property(DOCUMENT_SHA256, file_sha256(document))


def must_be_judged(model: Artifact, *blessings: Artifact) -> None:
    """Lets a model through that is still, byte for byte, the one that was judged.

    Raises:
        ArtifactChanged: It is another one, or a blessing does not say of which model it is.
    """
    found = fingerprint_if_any(model.uri) or ""
    for blessing in blessings:
        expected = blessing.get_string_custom_property(MODEL_FINGERPRINT)
        if not expected:
            raise ArtifactChanged(blessing.uri, "a blessing must say which model was judged; this one does not")
        _must_be(expected, found, model.uri, "the model")


def must_be_said(folder: str, name: str, blessing: Artifact) -> None:
    """Lets a page through that is still, byte for byte, what was written when the model was judged.

    Args:
        folder: Of the artifact that holds it.
        name: The file.
        blessing: Of the same judgement.

    Raises:
        ArtifactChanged: It is another one, or gone, or the blessing does not say what was written.
    """
    expected = blessing.get_string_custom_property(DOCUMENT_SHA256)
    if not expected:
        raise ArtifactChanged(blessing.uri, "a blessing must say what was found; this one does not")
    path = Path(folder, name)
    _must_be(expected, file_sha256(str(path)) if path.exists() else "", folder, name)


def _must_be(expected: str, found: str, folder: str, what: str) -> None:
    if found != expected:
        raise ArtifactChanged(
            folder,
            f"{what} must be what was judged, sha256 {expected[:12]}; it is {found[:12] or 'gone'} now, "
            "so nothing of it is published",
        )
