"""What a burst of messages wants: rules first, then a small learned model, else `unknown`."""
