"""What the daemon keeps next to the database: its lock, status, small files and control socket."""
