"""The graph that OpenVINO computes on a CPU, beside the SavedModel, and where it is cut.

What finds the lungs and shows the field around them is computed in float32: bfloat16 moves the edge
of a doubtful lung, and with it the box, the statistics and the answer. What reads the field takes
two thirds of the time, and bfloat16 and 8 bits will do for it. `training.export.openvino_ir` writes
the graph, and names the place.
"""

from pathlib import Path

from app.inference.silent_openvino import ops, ov

GRAPH = "openvino.xml"
WEIGHTS = "openvino.bin"
# The node after which the second stage begins: the field as the classifier sees it.
FIELD = "field"
# The largest number in a kernel of 8 bits. Where a CPU has no VNNI, x86 adds two products with a
# map's 0..255 in 16 bits (`vpmaddubsw`), where 2 * 255 * 64 still has room.
MOST = 64


def read(core: ov.Core, folder: Path) -> list[ov.Model]:
    """Read the graph of a model version.

    Args:
        core: OpenVINO's.
        folder: the version's.

    Returns:
        Two models to be computed one after the other: what finds the lungs and shows the field, and
        what reads it, which takes by name what the first one gives.

    Raises:
        RuntimeError: OpenVINO cannot read the graph.
        ValueError: the graph does not name the place.
    """
    model = core.read_model(folder / GRAPH)
    _order_sums(model)
    for node in model.get_ops():
        if node.get_friendly_name() == FIELD:
            return list(split(model, node))
    raise ValueError(f"The graph has no node {FIELD!r}.")


def _order_sums(model: ov.Model) -> None:
    """Where a convolution in 8 bits and another one are summed up, let the one in 8 bits be first.

    OpenVINO 2026.4 has the first one add the sum to what it computes. One in bfloat16 cannot where
    the sum goes on in 8 bits: it is compiled, and fails when it infers.
    """
    for node in model.get_ops():
        if node.get_type_name() == "Add":
            first, second = node.input_values()
            if _in_eight_bits(first) is False and _in_eight_bits(second):
                node.input(0).replace_source_output(second)
                node.input(1).replace_source_output(first)


def _in_eight_bits(output: ov.Output) -> bool | None:
    """Whether the convolution that ends in an output takes 8 bits; None where none ends there."""
    node = output.get_node()
    while node.get_type_name() in {"Add", "Divide", "Multiply"}:
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Convolution":
        return None
    return bool(node.input_value(0).get_node().get_type_name() == "FakeQuantize")


def may_saturate(models: list[ov.Model]) -> bool:
    """Whether a CPU without VNNI may compute something else than they say.

    So it may with version 6 and those before it, whose kernels are of up to 127.
    """
    kernels = (
        node.get_data()
        for model in models
        for node in model.get_ops()
        if node.get_type_name() == "Constant" and node.get_element_type() == ov.Type.i8
    )
    return any(kernel.max() > MOST or kernel.min() < -MOST for kernel in kernels)


def split(model: ov.Model, cut: ov.Node) -> tuple[ov.Model, ov.Model]:
    """Cut a model after a node: what does not depend on the node's output, and what does.

    `model` is of no use afterwards.
    """
    later = dependents(cut)
    (image,) = model.get_parameters()
    earlier = dependents(image) - later
    crossing: dict[tuple[str, int], tuple[ov.Output, list[ov.Input]]] = {}
    for node in model.get_ordered_ops():
        if node.get_name() not in later:
            continue
        for entry in node.inputs():
            source = entry.get_source_output()
            # What depends on no image is made of constants, and stays where it is needed.
            if (giver := source.get_node().get_name()) in earlier:
                key = giver, source.get_index()
                crossing.setdefault(key, (source, []))[1].append(entry)
    early_results = [r for r in model.get_results() if r.get_name() not in later]
    late_results = [r for r in model.get_results() if r.get_name() in later]
    handed, taken = [], []
    for index, (source, entries) in enumerate(crossing.values()):
        name = f"{cut.get_friendly_name()}/{index}"
        parameter = ops.parameter(source.get_partial_shape(), source.get_element_type(), name)
        parameter.output(0).set_names({name})
        for entry in entries:
            entry.replace_source_output(parameter.output(0))
        source.add_names({name})
        handed.append(ops.result(source))
        taken.append(parameter)
    early = ov.Model([*early_results, *handed], model.get_parameters())
    return early, ov.Model(late_results, taken)


def dependents(node: ov.Node) -> set[str]:
    """The names of the nodes that depend on a node's outputs."""
    found: set[str] = set()
    queue = [node]
    while queue:
        for output in queue.pop().outputs():
            for target in output.get_target_inputs():
                name = target.get_node().get_name()
                if name not in found:
                    found.add(name)
                    queue.append(target.get_node())
    return found
