"""The champion as something that KServe can serve."""
