"""What tests of several rooms share."""

import os

# Chosen before anything imports TensorFlow: Keras 3 beside tensorflow_transform, and a quiet log.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
