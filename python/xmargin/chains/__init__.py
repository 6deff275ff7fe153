"""Transport only: how questions travel to a chain; what is asked is said elsewhere."""
