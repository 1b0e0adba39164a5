"""A program: estimate a folder on a local Ray cluster of two nodes, one of which is lost on the way.

It is no part of the tests' own process, for Ray changes that process in many ways.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from tempocli.batch.engines.ray import Job, Work, estimate_on_ray
from tempocli.inference.options import EstimatorOptions
from tempocli.output.formats import Layout

# A cluster that `ray.init` has not started reports even that it may not report: to nobody, then.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_USAGE_STATS_REPORT_URL"] = "http://127.0.0.1:9/"


def main(music: str, output: str) -> None:
    memory = 150 * 2**20
    arguments = {"object_store_memory": memory, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **arguments})
    nodes = [cluster.add_node(num_cpus=1, object_store_memory=memory) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    used: set[str] = set()

    def kill_one() -> None:
        # As soon as there are results, both nodes are at work.
        while len(list(Path(output).glob("*.parquet"))) < 2:
            time.sleep(0.05)
        cluster.remove_node(nodes[0], allow_graceful=False)
        used.add(f"killed with {len(list(Path(output).glob('*.parquet')))} files written")

    threading.Thread(target=kill_one, daemon=True).start()
    work = Work(EstimatorOptions(device="cpu"), Layout(), 100.0)
    outcome = estimate_on_ray(Job([music], output, work))
    # The death of a node that had nothing left to do is noticed only after a while.
    deadline = time.monotonic() + 60
    while (alive := sum(node["Alive"] for node in ray.nodes())) > 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    reasons = dict(outcome.reasons)
    said = {"n": outcome.n_results, "reasons": reasons, "alive": alive, "killed": sorted(used)}
    sys.stdout.write(f"{json.dumps(said)}\n")
    sys.stdout.flush()
    ray.shutdown()
    for node in [nodes[1], cluster.head_node]:
        node.kill_all_processes(check_alive=False, allow_graceful=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
