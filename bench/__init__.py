"""What the product promises, measured as ratios in one run on one machine: `make bench`."""
