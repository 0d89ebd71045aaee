"""Where a dataset can come from when there is none in the store yet. Each source fills a folder with the four files."""
