"""What one can do with strategies: generate them, mark them, unmark them, archive them."""
