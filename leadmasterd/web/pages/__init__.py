"""The pages, one file each: `ROUTES`, and what they show."""
