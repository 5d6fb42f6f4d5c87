"""Asking a served model, in this process or over TensorFlow Serving's REST interface."""
