import anyio

from batchrun import launching, load_manifest


async def main() -> None:
    with load_manifest("manifests/samples.csv", defaults=["manifests/samples.defaults.yaml"]) as manifest:
        async with launching(manifest, ledger="batchrun.db") as launch:
            async for step in launch.steps():
                print(step.entry.id, step.kind)
            print((await launch.wait()).has_only_succeeded)


anyio.run(main)
