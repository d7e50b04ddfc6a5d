"""The tables that scripts/bench prints."""


def ratio(value):
    return f"{value:9.2f}" if value is not None else f"{'-':>9}"


def print_latency(figure, what, rows):
    print(f"\n{figure}: {what}")
    print(f"  {'server':<26}{'cores':<6}{'us/op':>9}{'mean':>9}{'p99':>9}{'op/s':>10}{'/floor':>9}{'/libfuse':>9}")
    for row in rows:
        us = "".join(f"{row[name] / 1000:9.1f}" for name in ("p50_ns", "mean_ns", "p99_ns"))
        print(f"  {row['server']:<26}{row['cores']:<6}{us}{row['ops_per_s']:10.0f}{ratio(row['to_floor'])}"
              f"{ratio(row['to_libfuse'])}")


def print_workload(figure, what, unit, rows):
    timed = "seconds" in rows[0]
    parts = rows[0].get("parts", {})
    print(f"\n{figure}: {what}")
    print(f"  {'server':<26}{'cores':<6}" + (f"{'seconds':>9}" if timed else "")
          + f"{unit + '/s':>10}{'/tmpfs':>9}{'/libfuse':>9}" + "".join(f"{name:>9}" for name in parts))
    for row in rows:
        print(f"  {row['server']:<26}{row['cores']:<6}" + (f"{row['seconds']:9.3f}" if timed else "")
              + f"{row['per_s']:10.0f}{ratio(row['to_limit'])}{ratio(row['to_libfuse'])}"
              + "".join(f"{row['parts'][name]:9.3f}" for name in parts))


def print_works(works, results):
    """The tables of all figures that were measured."""
    for work in works:
        for figure, what in work.figures.items():
            rows = [row for row in results if row["work"] == figure and "samples" in row]
            if rows and work.cached:
                print_workload(figure, what, work.unit, rows)
            elif rows:
                print_latency(figure, what, rows)
