"""Trains on several virtual devices of this process, as on a pod with so many GPUs."""

import importlib.util
import sys
from pathlib import Path
from unittest import mock

if __name__ == "__main__":
    prepared, backbone, out, settings, num_devices = sys.argv[1:]
    import absl.logging
    import tensorflow as tf

    # The Trainer tells how many devices it has.
    absl.logging.set_verbosity(absl.logging.INFO)
    (processor,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * int(num_devices))
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    spec = importlib.util.spec_from_file_location("trainer_conftest", Path(__file__).with_name("conftest.py"))
    assert spec is not None and spec.loader is not None
    helpers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(helpers)
    from components.trainer.run_fn import run_fn

    # Left to itself the strategy takes GPUs, of which there are none.
    with mock.patch("components.trainer.hardware.strategy", lambda: tf.distribute.MirroredStrategy(devices)):
        run_fn(helpers.make_fn_args(Path(prepared), Path(backbone), Path(out), settings))
