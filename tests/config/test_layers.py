"""Imports run one way: schemas <- components <- pipeline."""

from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("schemas", "components", "pipeline", cache_dir=None)


def imports_of(graph: grimp.ImportGraph, package: str) -> set[str]:
    modules = {module for module in graph.modules if module == package or module.startswith(f"{package}.")}
    return {found for module in modules for found in graph.find_modules_directly_imported_by(module)} - modules


def test_schemas_import_nothing_of_ours(graph):
    assert imports_of(graph, "schemas") == set()


def test_components_know_nothing_of_the_pipeline(graph):
    assert {name.split(".")[0] for name in imports_of(graph, "components")} <= {"schemas"}


def test_no_step_imports_another_steps_node(graph):
    nodes = {module for module in graph.modules if module.startswith("components.") and module.endswith(".component")}
    for node in nodes:
        assert all(not user.startswith("components.") for user in graph.find_modules_that_directly_import(node)), node


@pytest.mark.parametrize(
    ("room", "may_import"),
    [
        ("foreign", set()),
        ("transform", set()),
        ("backbone", {"ingest", "transform"}),
        ("registry", {"kserve", "push_gate"}),
        ("kserve", set()),
        ("pusher", {"push_gate", "registry"}),
        ("monitoring", set()),
        ("predict", {"ingest"}),
        ("card", set()),
        ("confinement", {"garbage", "ingest"}),
        ("copies", set()),
        ("diagnosis", {"backbone", "copies"}),
        ("warm_start", {"backbone", "push_gate", "registry", "trainer"}),
        ("doctor", {"backbone", "confinement", "copies", "diagnosis", "ingest", "push_gate", "transform"}),
    ],
)
def test_rooms_keep_their_doors(graph, room, may_import):
    rooms = {name.split(".")[1] for name in imports_of(graph, f"components.{room}") if name.startswith("components.")}
    shared = {
        "settings",
        "errors",
        "credentials",
        "artifacts",
        "blessing",
        "flags",
        "intervals",
        "preprocessing",
        "foreign",
        "whole_files",
    }
    assert rooms - shared <= may_import


def test_kubeflow_holds_no_python():
    assert list((ROOT / "kubeflow").rglob("*.py")) == []


def test_tfx_is_imported_without_the_clients_of_clouds():
    """`tfx.v1` imports Vertex AI's client, a fifth of the time and the memory that importing TFX takes."""
    folders = ("schemas", "components", "pipeline", "tests", "benchmarks")
    named = [path for folder in folders for path in (ROOT / folder).rglob("*.py") if path != Path(__file__)]
    assert not [path for path in named if "tfx.v1" in (text := path.read_text()) or "from tfx import v1" in text]
