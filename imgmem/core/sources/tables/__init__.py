"""Label tables: what a text file or a Parquet file says of each image."""
