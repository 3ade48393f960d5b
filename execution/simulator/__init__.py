"""A Dhan-shaped exchange: an order book without a clock of its own, a fault plan, and the servers in front of them."""
