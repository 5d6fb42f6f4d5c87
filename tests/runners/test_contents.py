"""Hashes of what a step leaves for the next one."""

import os

import pytest

from components.errors import ArtifactChanged

pytestmark = pytest.mark.tfx


@pytest.fixture
def artifact(tmp_path):
    from tfx.types.standard_artifacts import Model

    found = Model()
    found.uri = str(tmp_path / "model")
    (tmp_path / "model" / "variables").mkdir(parents=True)
    (tmp_path / "model" / "variables" / "a").write_bytes(b"a" * 100)
    (tmp_path / "model" / "b").write_bytes(b"b")
    return found


@pytest.mark.parametrize("names_files", [True, False])
def test_a_sealed_artifact_is_let_through_until_a_byte_of_it_changes(artifact, tmp_path, names_files):
    from pipeline.runners import contents

    contents.seal({"model": [artifact]}, names_files)
    contents.check({"model": [artifact]})
    path = tmp_path / "model" / "variables" / "a"
    stamp = path.stat()
    path.write_bytes(b"a" * 99 + b"b")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    said = "variables/a is changed since the step wrote it" if names_files else "it is not what the step wrote"
    with pytest.raises(ArtifactChanged) as caught:
        contents.check({"model": [artifact]})
    assert str(caught.value) == f"{artifact.uri}: {said}, so nothing was made of it."
    assert caught.value.folder == artifact.uri


@pytest.mark.parametrize("name", ["b", "new"])
@pytest.mark.parametrize("kind", ["pipe", "link to nowhere", "device"])
def test_what_is_no_file_is_named_and_not_waited_for(artifact, tmp_path, name, kind):
    from pipeline.runners import contents

    contents.seal({"model": [artifact]}, names_files=True)
    path = tmp_path / "model" / name
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if kind == "device" else "nowhere")
    with pytest.raises(ArtifactChanged, match=f"{name} is {'changed' if name == 'b' else 'new'} since the step"):
        contents.check({"model": [artifact]})


def test_the_seal_of_many_files_on_a_cluster_is_one_hash(artifact):
    from pipeline.runners import contents

    contents.seal({"model": [artifact]}, names_files=False)
    assert len(contents.seal_of(artifact)) == 64


def test_an_artifact_that_was_sealed_empty_must_stay_so(tmp_path):
    from tfx.types.standard_artifacts import Model

    from pipeline.runners import contents

    nothing = Model()
    nothing.uri = str(tmp_path / "nothing")
    contents.seal({"model": [nothing]}, names_files=True)
    contents.check({"model": [nothing]})
    (tmp_path / "nothing").mkdir()
    for number in range(5):
        (tmp_path / "nothing" / str(number)).touch()
    with pytest.raises(ArtifactChanged, match="0, 1, 2 and 2 more are new since the step wrote it"):
        contents.check({"model": [nothing]})


def test_what_nobody_sealed_is_let_through(artifact):
    from pipeline.runners import contents

    contents.check({"model": [artifact]})


def test_a_file_is_read_once_as_long_as_nothing_says_that_it_changed(artifact, monkeypatch):
    from pipeline.runners import contents

    contents.seal({"model": [artifact]}, names_files=True)
    monkeypatch.setattr(contents, "sha256_of", lambda path: pytest.fail(f"{path} was read again"))
    contents.check({"model": [artifact]})
