"""How many lifecycles a second: submitted, delivered, completed, and every result seen by its submitter.

The machine is noisy and the ceiling moves with it, so each round measures the ceiling and the figures one after the
other, and what counts is the median of the rounds' ratios.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median

from bench.ceiling import Ceiling
from bench.options import Options
from bench.peers import load
from bench.perdure import Perdure
from bench.processes import Client
from bench.report import Figure

WANTED = {
    "websocket_batched": "≥ 15,000/s",
    "websocket_single": "≥ 3,000/s",
    "http": "ratio ≥ 0.25",
    "http_batch": "",
}
BACKLOG_AGENTS = 20


@dataclass(slots=True)
class Run:
    """One run: how fast it was, and the processor seconds of each part of the system."""

    rate: float
    count: float
    processor: dict[str, float] = field(default_factory=dict)


class Bench:
    """The runs, on one Perdure."""

    def __init__(self, perdure: Perdure, options: Options) -> None:
        self.perdure = perdure
        self.options = options
        self.address, self.key = perdure.agent("bench-agent", 256)
        self.agent_id = perdure.database.agent_id(self.address)

    def websocket_batched(self) -> Run:
        return self._websocket(self.options.frame, self.options.window, self.options.window)

    def websocket_single(self) -> Run:
        """Within the limits that peers have, too, who answer calls."""
        return self._websocket(1, load.WINDOW, load.AT_ONCE)

    def _websocket(self, frame: int, window: int, at_once: int) -> Run:
        url = self.perdure.socket_url
        agent = {"url": url, "key": self.key, "address": self.address, "max_in_flight": 2000}
        submitter = {
            "url": url,
            "key": self.perdure.key,
            "to_agent": self.address,
            "window": window,
            "at_once": at_once,
        }
        return self._run(
            lambda: Client("agent_websocket", batched=frame > 1, **agent),
            lambda: Client("submit_websocket", frame=frame, seconds=self.options.seconds, **submitter),
        )

    def http(self) -> Run:
        common = {"url": self.perdure.url, "connections": self.options.connections}
        submitter = {"key": self.perdure.key, "to_agent": self.address, "window": load.WINDOW}
        return self._run(
            lambda: Client("agent_http", key=self.key, address=self.address, **common),
            lambda: Client(
                "submit_http",
                socket_url=self.perdure.socket_url,
                seconds=self.options.seconds,
                **common,
                **submitter,
            ),
        )

    def http_batch(self) -> Run:
        """Requests of many; what answers them is an agent on a websocket, for over HTTP results go one by one."""
        url = self.perdure.socket_url
        agent = {"url": url, "key": self.key, "address": self.address, "max_in_flight": 2000}
        submitter = {"key": self.perdure.key, "to_agent": self.address, "window": self.options.window}
        return self._run(
            lambda: Client("agent_websocket", batched=True, **agent),
            lambda: Client(
                "submit_http",
                url=self.perdure.url,
                socket_url=url,
                connections=load.BATCHES_AT_ONCE,
                frame=self.options.frame,
                seconds=self.options.seconds,
                **submitter,
            ),
        )

    def _run(self, make_agent: Callable[[], Client], make_submitter: Callable[[], Client]) -> Run:
        completed = self.perdure.database.completed(self.agent_id)
        with make_agent() as agent, make_submitter() as submitter:
            agent.read()
            submitter.read()
            before = self.perdure.cpu_seconds()
            done = submitter.ask("go", self.options.seconds + 60)
            after = self.perdure.cpu_seconds()
            said = agent.ask("stop")
        recorded = self.perdure.database.completed(self.agent_id) - completed
        if recorded != done["count"]:
            raise RuntimeError(f"{done['count']} outcomes were seen, but {recorded} are recorded")
        processor = {part: after[part] - before.get(part, 0) for part in after}
        processor |= {"submitter": done["processor_seconds"], "agent": said["processor_seconds"]}
        return Run(done["count"] / done["seconds"], done["count"], processor)


def figures(perdure: Perdure, options: Options) -> Iterator[Figure]:
    """The ceiling and what reaches it, interleaved."""
    bench = Bench(perdure, options)
    ceiling = Ceiling(perdure)
    measured: dict[str, Callable[[], Run]] = {
        name: getattr(bench, name) for name in WANTED if options.wants(name)
    }
    _warm_up(perdure, ceiling, measured)
    ceilings: list[float] = []
    runs: defaultdict[str, list[Run]] = defaultdict(list)
    ratios: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(options.rounds):
        perdure.database.clean()
        ceilings.append(ceiling.run(options.seconds))
        for name, run in measured.items():
            perdure.database.clean()
            runs[name].append(run())
            ratios[name].append(runs[name][-1].rate / ceilings[-1])
    yield Figure("ceiling", median(ceilings), "lifecycles/s", ratio=1.0, runs=ceilings)
    for name, those in runs.items():
        yield from _report(name, those, median(ratios[name]), WANTED[name], options)


def backlog_figures(perdure: Perdure, options: Options) -> Iterator[Figure]:
    """The same while many others wait, against the same without them right before."""
    bench = Bench(perdure, options)
    others = [
        perdure.database.agent_id(perdure.agent(f"absent-{number}")[0]) for number in range(BACKLOG_AGENTS)
    ]
    _warm_up(perdure, None, {"websocket_backlog": bench.websocket_batched})
    alone = _runs(perdure, bench.websocket_batched, options.rounds)
    perdure.database.clean()
    perdure.database.fill(options.backlog, others, ended=False)
    perdure.database.keep()
    runs = _runs(perdure, bench.websocket_batched, options.rounds)
    perdure.database.begin_anew()
    ratio = median(run.rate for run in runs) / median(run.rate for run in alone)
    note = f"{options.backlog:,} wait"
    yield from _report("websocket_backlog", runs, ratio, "ratio ≥ 0.8", options, note)


def _runs(perdure: Perdure, run: Callable[[], Run], count: int) -> list[Run]:
    """So many, each on clean tables."""
    runs = []
    for _ in range(count):
        perdure.database.clean()
        runs.append(run())
    return runs


def _warm_up(perdure: Perdure, ceiling: Ceiling | None, measured: dict[str, Callable[[], Run]]) -> None:
    """One run of each that does not count: statements are prepared, caches filled, files grown."""
    if ceiling is not None:
        ceiling.run(1)
    for run in measured.values():
        run()


def _report(
    name: str, runs: list[Run], ratio: float, wanted: str, options: Options, note: str = ""
) -> Iterator[Figure]:
    rates = [run.rate for run in runs]
    yield Figure(name, median(rates), "lifecycles/s", ratio=ratio, wanted=wanted, note=note, runs=rates)
    if options.cpu:
        for part in runs[0].processor:
            costs = [run.processor.get(part, 0.0) / run.count * 1e6 for run in runs]
            yield Figure(f"{name}.cpu_{part}", median(costs), "µs/lifecycle")
