"""From labelled bursts and what people decide to leads, waiting cycles and follow-ups."""
