"""Pictures that show what another picture shows: finding them, and what then counts."""
