"""What a served model is asked and what it answers, kept for monitoring."""
