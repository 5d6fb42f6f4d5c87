"""What Prometheus hears of data that the whole pipeline refused."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.monitoring.samples import samples

pytestmark = pytest.mark.tfx


def write_pictures(folder, name, number, seed):
    (folder / name).mkdir(parents=True)
    for place in range(number):
        pixels = np.random.default_rng(seed + place).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        written = io.BytesIO()
        Image.fromarray(pixels).save(written, "PNG")
        (folder / name / f"{place}.png").write_bytes(written.getvalue())


def test_a_run_that_refused_its_data_tells_what_it_found_in_them(tmp_path, run_in_process):
    write_pictures(tmp_path / "data", "cat", 12, 0)
    write_pictures(tmp_path / "data", "dog", 12, 100)
    write_pictures(tmp_path / "data", "elk", 1, 200)
    (tmp_path / "data" / "dog" / "broken.png").write_bytes(b"text")
    done = run_in_process(
        tmp_path / "out", f"data.uri={tmp_path}/data", "data.classes=[cat, dog]", "backbone.weights=none",
        f"monitoring.textfile={tmp_path}",
    )  # fmt: skip
    assert (done.summary["status"], done.nodes["DataGate"]) == ("refused", "failed")
    assert done.summary["data"]["passed"] is False and done.summary["verdict"] is None
    found = samples((tmp_path / "frostgate-digits-data.prom").read_text())
    assert found["frostgate_data_passed", "digits"] == 0
    assert found["frostgate_rejected_images", "digits", "not_an_image"] == 1
    assert found["frostgate_reject_share", "value", "digits"] == pytest.approx(1 / 26)
    (anomaly,) = [key for key in found if key[0] == "frostgate_anomalies"]
    assert anomaly[1] == "label"
    assert found["frostgate_split_distance", "value", "mean_red", "digits"] > 0
    assert not (tmp_path / "frostgate-digits-verdict.prom").exists()
