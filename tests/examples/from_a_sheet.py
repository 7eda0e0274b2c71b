from batchrun import Sheet, load_manifest

rows = [
    {"sample": "WT", "r1": "s3://lab/1.fq.gz"},
    {"sample": "WT", "r1": "s3://lab/2.fq.gz"},
]
sheet = Sheet(group_by="sample", each={"parameters": {"reads": [{"r1": "{r1}"}]}})
with load_manifest(rows, batch="run7", sheet=sheet, defaults=["manifests/samples.defaults.yaml"]) as manifest:
    print(manifest.count)
