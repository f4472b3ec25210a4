"""What every page is made with: head and navigation, colours, charts, numbers, terms."""
