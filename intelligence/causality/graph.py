"""Declared causal graphs: what acts on what, and what was measured when.

A graph says for one treatment and one outcome which columns confound them. DoWhy identifies the columns to adjust for, by maximal
adjustment: its default search does not end beyond about 30 confounders. The graph is an assumption. It is declared in code so that
it can be read, drawn and disputed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from intelligence.core.errors import CausalityError

Time = Literal["before", "treatment", "after"]
Treatment = Literal["adopted", "met_errors"]


@dataclass(frozen=True, slots=True)
class Node:
    """A column of a frame of trials, or something that nobody measured.

    Attributes:
        name: The column.
        words: What it is.
        time: When it is measured: before time zero, at it (the treatment), or after it.
        is_measured: Whether there is such a column.
    """

    name: str
    words: str
    time: Time
    is_measured: bool = True


@dataclass(frozen=True)
class CausalGraph:
    """A directed acyclic graph of one treatment and one outcome.

    Attributes:
        nodes: All nodes.
        edges: Pairs of names: the first acts on the second.
        treatment: Name of the treatment.
        outcome: Name of the outcome.
        control: Negative-control outcome, which the treatment cannot act on; empty where there is none.
    """

    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]
    treatment: str
    outcome: str
    control: str = ""

    def node(self, name: str) -> Node:
        """Return a node by its name."""
        return next(node for node in self.nodes if node.name == name)

    @property
    def text(self) -> str:
        """Return the edges as text, one line for each effect."""
        lines = []
        for node in self.nodes:
            causes = [one for one, other in self.edges if other == node.name]
            if causes:
                lines.append(f"{node.name} ← {', '.join(causes)}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Identified:
    """Whether adjusting for measured columns identifies an effect.

    Attributes:
        is_identified: Whether it does, if the graph is right.
        confounders: The columns to adjust for, in the order of the graph; empty where it does not.
        words: The assumption in a sentence.
    """

    is_identified: bool
    confounders: tuple[str, ...]
    words: str


BEFORE: Final = (
    Node("segment", "kind of user", "before"),
    Node("tenure_days", "days since the first visit", "before"),
    Node("days_since_visit", "days since the visit before time zero", "before"),
    Node("active_days_7d", "active days in the 7 days before", "before"),
    Node("active_days_28d", "active days in the 28 days before", "before"),
    Node("events_28d", "events in the 28 days before", "before"),
    Node("sessions_28d", "sessions in the 28 days before", "before"),
    Node("features_28d", "features touched a day, summed over the 28 days before", "before"),
    Node("duration_s_28d", "time spent in the 28 days before", "before"),
    Node("errors_28d", "errors met in the 28 days before", "before"),
    Node("conversions_28d", "conversions in the 28 days before", "before"),
)
TREATMENTS: Final[dict[Treatment, Node]] = {
    "adopted": Node("adopted", "used the feature for the first time on day zero", "treatment"),
    "met_errors": Node("met_errors", "met an error in the first use of the feature on day zero", "treatment"),
}
OUTCOMES: Final = (
    Node("retained_7d", "active in the 7 days after", "after"),
    Node("retained_28d", "active in days 22 to 28 after", "after"),
    Node("active_days_after", "active days in the 28 days after", "after"),
    Node("churned", "not active in the 28 days after", "after"),
)
CONTROL: Final = Node("active_days_earlier", "active days in the 28 days before those", "before")
HIDDEN: Final = Node("intent", "what the user came for, as far as past activity does not show it", "before", False)


def feature_graph(treatment: Treatment, outcome: str) -> CausalGraph:
    """Return the declared graph of using a feature, or of meeting its errors, and what users do after.

    The user's past acts on both; the intent behind the past acts through it. The negative control lies so far back that neither
    treatment can act on it.

    Args:
        treatment: `adopted` or `met_errors`.
        outcome: Name of a node in OUTCOMES.

    Raises:
        CausalityError: The outcome is not declared.
    """
    after = next((node for node in OUTCOMES if node.name == outcome), None)
    if after is None:
        raise CausalityError(
            outcome, "is no declared outcome.", hint=f"Declared are {', '.join(node.name for node in OUTCOMES)}."
        )
    past = [node.name for node in BEFORE]
    edges = [
        *((HIDDEN.name, name) for name in (*past, CONTROL.name)),
        *((name, treatment) for name in past),
        *((name, outcome) for name in past),
        (treatment, outcome),
    ]
    return checked(
        CausalGraph(
            (HIDDEN, CONTROL, *BEFORE, TREATMENTS[treatment], after), tuple(edges), treatment, outcome, CONTROL.name
        )
    )


def confounded(treatment: str, outcome: str, confounders: Sequence[str], *, hidden: str = "") -> CausalGraph:
    """Return the graph in which every confounder acts on treatment and outcome, for a frame without a declared graph.

    Args:
        treatment: Column of the treatment.
        outcome: Column of the outcome.
        confounders: Columns measured before the treatment.
        hidden: What acts on both and was not measured; empty where nothing is named.
    """
    before = [Node(name, name, "before") for name in confounders]
    before += [Node(hidden, hidden, "before", False)] if hidden else []
    edges = [(node.name, target) for node in before for target in (treatment, outcome)]
    nodes = (*before, Node(treatment, treatment, "treatment"), Node(outcome, outcome, "after"))
    return checked(CausalGraph(nodes, (*edges, (treatment, outcome)), treatment, outcome))


def checked(graph: CausalGraph) -> CausalGraph:
    """Return the graph.

    Raises:
        CausalityError: An edge names an unknown node or runs back in time, the edges form a circle, or the treatment or outcome
            is not measured at its time.
    """
    import networkx as nx

    names = {node.name: node for node in graph.nodes}
    unknown = sorted({name for edge in graph.edges for name in edge} - set(names))
    if unknown or len(names) < len(graph.nodes):
        raise CausalityError(
            "graph", f"has edges of {', '.join(unknown) or 'nodes named twice'}.", hint="Declare its nodes."
        )
    order: tuple[Time, ...] = ("before", "treatment", "after")
    for one, other in graph.edges:
        if order.index(names[one].time) > order.index(names[other].time):
            raise CausalityError(
                "graph",
                f"has {one} act on {other}, which is measured earlier.",
                hint="Confounders come before the treatment.",
            )
    for name, time in ((graph.treatment, "treatment"), (graph.outcome, "after")):
        if name not in names or names[name].time != time or not names[name].is_measured:
            raise CausalityError("graph", f"has no measured {name} at its time ({time}).", hint="Declare it so.")
    if not nx.is_directed_acyclic_graph(nx.DiGraph(graph.edges)):
        raise CausalityError("graph", "has a circle.", hint="Split its nodes by the time of their measurement.")
    return graph


def identified(graph: CausalGraph) -> Identified:
    """Return which measured columns identify the effect of treatment on outcome by adjustment, as DoWhy finds them.

    The adjustment is maximal: all measured columns before the treatment that it allows, but for the negative control.

    Args:
        graph: A declared graph.
    """
    import networkx as nx
    from dowhy.causal_identifier import BackdoorAdjustment, EstimandType, identify_effect_auto

    observed = [node.name for node in graph.nodes if node.is_measured and node.name != graph.control]
    estimand = identify_effect_auto(
        nx.DiGraph(graph.edges),
        [graph.treatment],
        [graph.outcome],
        observed,
        EstimandType.NONPARAMETRIC_ATE,
        backdoor_adjustment=BackdoorAdjustment.BACKDOOR_MAX,
    )
    found = estimand.get_backdoor_variables() if estimand.backdoor_variables else None
    if found is None:
        return Identified(
            False, (), f"No measured columns close all back doors from {graph.treatment} to {graph.outcome}."
        )
    chosen = tuple(name for name in observed if name in set(found))
    return Identified(
        True,
        chosen,
        f"If the graph is right, adjusting for {len(chosen)} columns measured before closes all back doors.",
    )


def adjustment(graph: CausalGraph) -> Identified:
    """Return whether adjusting for all measured columns before the treatment, but for the negative control, identifies the effect.

    It asks for the largest adjustment only, and so needs no search: `identified` asks DoWhy, and takes seconds to load.

    Args:
        graph: A declared graph.
    """
    import networkx as nx

    chosen = tuple(
        node.name for node in graph.nodes if node.time == "before" and node.is_measured and node.name != graph.control
    )
    without = nx.DiGraph([edge for edge in graph.edges if edge[0] != graph.treatment])
    without.add_nodes_from(node.name for node in graph.nodes)
    if not nx.is_d_separator(without, {graph.treatment}, {graph.outcome}, set(chosen)):
        return Identified(
            False, (), f"No measured columns close all back doors from {graph.treatment} to {graph.outcome}."
        )
    return Identified(
        True,
        chosen,
        f"If the graph is right, adjusting for {len(chosen)} columns measured before closes all back doors.",
    )


def graph_picture(graph: CausalGraph) -> bytes:
    """Return the graph as a PNG: what was before on the left, the treatment in the middle, what came after on the right."""
    from matplotlib.figure import Figure

    from intelligence.core.plots import png

    columns: dict[str, list[Node]] = {"hidden": [], "before": [], "treatment": [], "after": []}
    for node in graph.nodes:
        columns[node.time if node.is_measured else "hidden"].append(node)
    tallest = max(len(nodes) for nodes in columns.values())
    # Treatment and outcome stand at different heights, so that no edge from the past runs through the treatment.
    lanes = {"hidden": -0.42, "before": 0.0, "treatment": 0.55, "after": 1.0}
    heights = {"hidden": 0.0, "before": 0.0, "treatment": -0.22 * tallest, "after": 0.22 * tallest}
    place = {
        node.name: (lanes[lane], heights[lane] + (len(nodes) - 1) / 2 - row)
        for lane, nodes in columns.items()
        for row, node in enumerate(nodes)
    }
    figure = Figure(figsize=(9, 1.2 + 0.42 * tallest), layout="constrained")
    axes = figure.subplots()
    for one, other in graph.edges:
        measured = graph.node(one).is_measured
        is_claim = (one, other) == (graph.treatment, graph.outcome)
        colour = "#1f4e8c" if is_claim else "#9aa3af"
        axes.annotate(
            "",
            xy=place[other],
            xytext=place[one],
            arrowprops={
                "arrowstyle": "-|>",
                "color": colour,
                "linewidth": 2.4 if is_claim else 0.7,
                "linestyle": "-" if measured else ":",
                "shrinkA": 24,
                "shrinkB": 40,
            },
        )
    for node in graph.nodes:
        edge = {"treatment": "#1f4e8c", "after": "#2f9e73"}.get(node.time, "#6b7280")
        axes.text(
            *place[node.name],
            node.name,
            ha="center",
            va="center",
            fontsize=8,
            parse_math=False,
            bbox={
                "boxstyle": "round,pad=0.35",
                "facecolor": "white",
                "edgecolor": edge,
                "linestyle": "-" if node.is_measured else ":",
            },
        )
    axes.set_xlim(-0.56 if columns["hidden"] else -0.16, 1.14)
    axes.set_ylim(-tallest / 2 - 0.3, tallest / 2 + 0.6)
    captions = {"hidden": "not measured", "before": "before time zero", "treatment": "day zero", "after": "follow-up"}
    for lane, words in ((lane, words) for lane, words in captions.items() if columns[lane]):
        axes.text(lanes[lane], tallest / 2 + 0.3, words, ha="center", fontsize=8, color="#4b5563")
    axes.axis("off")
    return png(figure)
