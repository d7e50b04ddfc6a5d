"""The figures that scripts/bench has collected: medians over the repetitions, and ratios inside each of them."""

import statistics


def cost(sample):
    """What ratios are taken of: the median time of an operation, or the time that one of the things done took."""
    return sample["p50_ns"] if "p50_ns" in sample else 1 / sample["per_s"]


def median_of(samples):
    """The median of each figure by itself; figures that only some samples have are left out."""
    out = {}
    for name, first in samples[0].items():
        values = [sample.get(name) for sample in samples]
        if isinstance(first, dict):
            out[name] = median_of(values)
        elif None not in values:
            out[name] = statistics.median(values)
    return out


class Results:
    """samples: (figure, server name): those of each repetition."""

    def __init__(self):
        self.samples = {}

    def add(self, figure, server, sample):
        self.samples.setdefault((figure, server.name), []).append(sample)

    def best(self, figure, servers, kind, transport=None):
        """The server of that kind, and transport unless None, that is quickest at `figure`; None without any."""
        able = [s for s in servers
                if s.kind == kind and transport in (None, s.transport) and (figure, s.name) in self.samples]
        return min(able, key=lambda s: statistics.median(map(cost, self.samples[figure, s.name])), default=None)

    def floor(self, figure, servers, server):
        """The best floor of the server's transport, and for a server that keeps data that of those that do, if any."""
        kinds = ("floor-keep", "floor") if server.fill else ("floor",)
        floors = (self.best(figure, servers, kind, server.transport) for kind in kinds)
        return next(filter(None, floors), None)

    def ratio(self, figure, server, reference):
        """The median of the ratios inside each repetition of the server's costs to the reference's."""
        if reference is None:
            return None
        pairs = zip(self.samples[figure, server.name], self.samples[figure, reference.name], strict=False)
        return statistics.median(cost(ours) / cost(theirs) for ours, theirs in pairs)

    def rows(self, works, servers):
        """One dict for each figure of the works and each server that is compared at it."""
        out = []
        for work in works:
            able = [server for server in servers if server.does(work)]
            for figure in work.figures:
                references = {"to_libfuse": self.best(figure, able, "libfuse"),
                              "to_limit": self.best(figure, able, "limit")}
                for server in able:
                    row = {"work": figure, "server": server.name, "kind": server.kind, "cores": server.cores,
                           "transport": server.transport}
                    samples = self.samples.get((figure, server.name))
                    if samples:
                        row |= median_of(samples)
                        row["to_floor"] = self.ratio(figure, server, self.floor(figure, able, server))
                        row |= {name: self.ratio(figure, server, reference) for name, reference in references.items()}
                        row["samples"] = samples
                    out.append(row)
        return out
