"""What each path of the simulated broker does; a handler takes the venue and a request and gives an answer."""
