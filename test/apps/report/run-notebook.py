"""Runs a notebook: python3 run-notebook.py IN OUT, with the kernel that IN names.

nbconvert takes a cell as done when the kernel says so. Deno's kernel may send a cell's result after
that, on a busy machine often, and nbconvert then drops it. Here a message belongs to the cell that
asked for it, whenever it comes, as on a notebook's page.
"""

import queue
import sys
import time

import nbformat
from jupyter_client.manager import start_new_kernel

QUIET_SECONDS = 3
ALL_SECONDS = 120


def main(source, target):
    notebook = nbformat.read(source, as_version=4)
    manager, client = start_new_kernel(kernel_name=notebook.metadata.kernelspec.name)
    deadline = time.monotonic() + ALL_SECONDS
    outputs = {}

    def take(wait):
        message = client.get_iopub_msg(timeout=wait)
        kind = message["header"]["msg_type"]
        cell = message["parent_header"].get("msg_id")
        if kind == "update_display_data":
            update(outputs, message["content"])
        elif cell in outputs and kind in ("display_data", "execute_result", "stream", "error"):
            outputs[cell].append(nbformat.v4.output_from_msg(message))
            outputs[cell][-1]["_id"] = message["content"].get("transient", {}).get("display_id")

    try:
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        asked = []
        for cell in cells:
            asked.append(client.execute(cell.source))
            outputs[asked[-1]] = []
            # a slow kernel may still answer what it was asked while it started
            reply = {"parent_header": {}}
            while reply["parent_header"].get("msg_id") != asked[-1]:
                reply = client.get_shell_msg(timeout=deadline - time.monotonic())
            cell.execution_count = reply["content"]["execution_count"]
            if reply["content"]["status"] != "ok":
                break
        try:
            while True:
                take(min(QUIET_SECONDS, deadline - time.monotonic()))
        except queue.Empty:
            pass
        for cell, message in zip(cells, asked):
            cell.outputs = outputs[message]
            for output in cell.outputs:
                output.pop("_id", None)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    nbformat.validate(notebook)
    nbformat.write(notebook, target)


def update(outputs, content):
    shown = content["transient"]["display_id"]
    for output in (output for cell in outputs.values() for output in cell):
        if output.get("_id") == shown:
            output["data"] = content["data"]


main(*sys.argv[1:])
