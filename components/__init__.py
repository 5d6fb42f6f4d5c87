"""What each step of the pipeline does; nothing here knows the runner."""
