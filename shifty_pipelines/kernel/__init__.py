"""What every context may use and no business word: tenant, ids, clock, database, outbox, keys, store."""
