"""The portal: pages to see, start, compare and try trainings."""
