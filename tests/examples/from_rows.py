import anyio

from batchrun import State, launching, load_manifest, open_ledger, retry, write_report, write_results

ROWS = [
    {"id": name, "parameters": {"reads": f"s3://lab/{name}.fq.gz"}, "tags": {"family": "CEU-1463"}}
    for name in ("NA12878", "NA12891", "NA12892")
]


async def main() -> None:
    with load_manifest(ROWS, batch="trio", defaults=["manifests/samples.defaults.yaml"]) as manifest:
        async with launching(manifest, ledger="batchrun.db") as launch:
            async for step in launch.steps():
                if step.entry.state is State.SUCCEEDED and step.entry.run is not None:
                    print(step.entry.id, step.entry.run.uuid)
            ended = await launch.wait()
    async with open_ledger("batchrun.db") as ledger:
        columns = ["all", "tags.family", "taskReason"]
        await write_results(ledger, ended.batch, "trio.results.csv", columns=columns)
        await write_report(ledger, ended.batch, "trio.report.html")
    if not ended.has_only_succeeded:
        again = await retry(ended.batch, ledger="batchrun.db", reason="*MEMORY*")
        print("to be started by the next launch:", *again.ids)


anyio.run(main)
