"""What lies below an output prefix: runs, sealed or not."""
