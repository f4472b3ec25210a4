"""Trees as text and as Graphviz's DOT."""

from __future__ import annotations

from collections.abc import Iterator

from cagexplain.analysis.trees.results import AgentTree, Rule
from reports.shared.trees_words import rest


def text(tree: AgentTree) -> str:
    """The tree as nested questions, and its rules; the left way of a question is "no"."""
    lines = [
        f"{tree.agent}: {tree.leaves} leaves. They give every valid action a weight, in per cent",
        "of an average decision's total; priority 1 has the highest.",
        "",
        *_questions(tree, 0, 0),
        "",
        "Rules, those that decide most often first:",
        *(f"- {_rule(rule)}" for rule in tree.rules if rule.support > 0),
    ]
    return "\n".join(lines) + "\n"


def _rule(rule: Rule) -> str:
    sentence = " ".join(part for part in (rule.sentence, rest(rule)) if part)
    agreed = "" if rule.precision is None else f", {100 * rule.precision:.0f} % as the policy"
    return (
        f"{sentence} Priority {rule.priority}, weight {rule.weight:.3g}; "
        f"decides {100 * rule.support:.1f} %{agreed}"
    )


def _questions(tree: AgentTree, number: int, depth: int) -> Iterator[str]:
    node, indent = tree.nodes[number], "  " * depth
    if node.left is None or node.right is None:
        yield f"{indent}{node.text} (decides {100 * node.support:.1f} %)"
        return
    yield f"{indent}{node.text}? yes:"
    yield from _questions(tree, node.right, depth + 1)
    yield f"{indent}no:"
    yield from _questions(tree, node.left, depth + 1)


def dot(tree: AgentTree) -> str:
    """The tree for Graphviz: ``dot -Tsvg``."""
    lines = [
        "// Decision tree; draw with: dot -Tsvg",
        f"digraph {_quoted(tree.agent)} {{",
        '  node [shape=box style=rounded fontname="Helvetica" fontsize=11]',
        '  edge [fontname="Helvetica" fontsize=10]',
    ]
    for number, node in enumerate(tree.nodes):
        label = f"{node.text}{'' if node.feature is None else '?'}\n{100 * node.support:.1f} %"
        lines.append(f"  n{number} [label={_quoted(label)}]")
        for answer, child in (("yes", node.right), ("no", node.left)):
            if child is not None:
                lines.append(f"  n{number} -> n{child} [label={answer}]")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
