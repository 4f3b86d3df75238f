"""What the daemon keeps beside the database: its lock, status, small files and control socket."""
