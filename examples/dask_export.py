"""An export by several processes: each worker reads its own images and writes whole files.

    cxr synthesize mimic-cxr-jpg practice/mimic --patients 400 --scale 0.125
    python examples/dask_export.py --data-dir practice/mimic --export practice/dask --out pictures

You learn: a Dask client handed to `export`; the bytes are those that one process writes, whatever
the number of workers. For processes of this machine alone, `export(..., num_proc=4)` is enough.
"""

import matplotlib.pyplot as plt
from distributed import Client, LocalCluster, get_task_stream

from cxr_datasets.export import export
from shared import arguments, save

if __name__ == "__main__":  # worker processes import this file again
    args = arguments(__doc__, data_dir="practice/mimic", export="practice/dask", workers=2)
    with (
        LocalCluster(
            n_workers=args.workers,
            threads_per_worker=1,
            security=True,
            dashboard_address="127.0.0.1:0",  # nobody else can talk to the workers
        ) as here,
        Client(here) as client,
        get_task_stream(client) as stream,
    ):
        print(export("mimic-cxr-jpg", args.data_dir, args.export, image_size=160,
                     rows_per_file=64, client=client))  # fmt: skip

    files = [task for task in stream.data if ".parquet" in task["key"]]
    workers = sorted({task["worker"] for task in files})
    begin = min(task["startstops"][0]["start"] for task in files)
    figure, axis = plt.subplots(figsize=(12, 3.6), layout="constrained")
    for task in files:
        start, stop = (task["startstops"][0][end] - begin for end in ("start", "stop"))
        row = workers.index(task["worker"])
        axis.barh(row, stop - start, left=start, edgecolor="black", color=f"C{row}")
        name = task["key"].rpartition("/")[2].partition("-of")[0]
        axis.text(
            (start + stop) / 2, row, name, rotation=90, ha="center", va="center", color="black"
        )
    axis.set_yticks(range(len(workers)), [f"worker {number + 1}" for number in range(len(workers))])
    axis.set_xlabel("seconds; each bar is a Parquet file")
    save(figure, args.out / "dask_export.png")
