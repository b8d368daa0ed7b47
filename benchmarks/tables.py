"""Put what a benchmark measured into a page of the docs, between the markers of a table."""


def put_table(page: str, name: str, table: str) -> str:
    """Replace what stands between ``<!-- table: NAME -->`` and ``<!-- end: NAME -->``."""
    start, end = f"<!-- table: {name} -->", f"<!-- end: {name} -->"
    before, found_start, rest = page.partition(start)
    _, found_end, after = rest.partition(end)
    if not (found_start and found_end):
        raise SystemExit(f"expected the markers {start} and {end} in the page, got none")
    return f"{before}{start}\n\n{table}\n\n{end}{after}"
