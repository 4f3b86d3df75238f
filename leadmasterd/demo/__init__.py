"""The whole program against the bundled stand-in of WhatsApp Web: no phone, no account, no network."""
