"""Words for people, through gettext. English is the source; a catalogue `leadmasterd.mo` under locale/ turns it."""

import gettext
from pathlib import Path
from typing import Final

LOCALE_DIR: Final = Path(__file__).parent / "locale"

_translation = gettext.translation("leadmasterd", LOCALE_DIR, fallback=True)
_ = _translation.gettext
ngettext = _translation.ngettext
