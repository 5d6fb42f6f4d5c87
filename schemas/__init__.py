"""What the data may be: feature keys, the curated TFDV schema, the verdict's JSON Schema."""
