"""Rules of webhooks: what is announced, when it is tried again, when an endpoint is given up, how it is signed."""
