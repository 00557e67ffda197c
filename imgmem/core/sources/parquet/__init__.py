"""Images in the rows of Parquet files, as Hugging Face writes them; needs the extra `parquet`."""
