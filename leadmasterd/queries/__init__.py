"""What people and programs read of the database."""
