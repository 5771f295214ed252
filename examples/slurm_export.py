"""An export by jobs of SLURM: every job is a worker that reads images and writes whole files.

    cxr synthesize mimic-cxr-jpg practice/mimic --patients 400 --scale 0.125
    python examples/slurm_export.py --data-dir practice/mimic --export practice/slurm

Run it on a login node: it submits the jobs, waits, and ends them. You learn: `SLURMCluster` of
dask-jobqueue in the place of a cluster of one machine; what each job is told; that the same command
goes on with the files that are left when the time of the jobs was too short. All nodes must see
`--data-dir` and `--export` under these names. Partition, account and the like are options of
`SLURMCluster`, or stand in ~/.config/dask/jobqueue.yaml.
"""

from dask_jobqueue import SLURMCluster
from distributed import Client

from cxr_datasets.export import export
from shared import arguments

if __name__ == "__main__":
    args = arguments(__doc__, data_dir="practice/mimic", export="practice/slurm", jobs=2)
    with (
        SLURMCluster(
            cores=1,
            memory="2GB",
            walltime="01:00:00",
            security=True,  # TLS: nobody else can talk to the workers
            shared_temp_directory=".",
            scheduler_options={"dashboard_address": "127.0.0.1:0"},
        ) as cluster,
        Client(cluster) as client,
    ):
        print(cluster.job_script())
        cluster.scale(jobs=args.jobs)
        client.wait_for_workers(1)
        print(export("mimic-cxr-jpg", args.data_dir, args.export, image_size=160, client=client))
