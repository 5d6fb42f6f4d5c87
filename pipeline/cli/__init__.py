"""The command line, a module a command; TensorFlow and TFX are imported only where a command runs them."""
