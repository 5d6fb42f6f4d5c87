"""Models that went wrong as their authors built them, on data that can be drawn here."""
