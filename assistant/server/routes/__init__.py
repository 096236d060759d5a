"""The endpoints, one module each; every module has a `router`."""
