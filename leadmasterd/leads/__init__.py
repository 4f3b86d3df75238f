"""From labelled bursts and people's decisions to leads, waiting cycles and follow-ups. Pure."""
