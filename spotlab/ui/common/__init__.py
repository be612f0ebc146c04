"""What several screens share: frame, guard, links, tables, formatting, theme, export."""
