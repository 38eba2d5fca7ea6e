"""Files of rows: CSV, JSON lines, Parquet."""
