"""What a look at the requests leaves behind."""

from typing import Final

REPORT_FILE: Final = "drift.json"
PAGE_FILE: Final = "drift.html"
