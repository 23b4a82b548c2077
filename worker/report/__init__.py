"""The report of a run: a page, a table and an object of its figures; the pictures on the page."""
