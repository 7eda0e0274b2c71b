"""Kinds of sheets that are public, with rows of our own, and what each is meant to start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Case:
    """A public kind of sheet, with rows of our own."""

    name: str
    text: str
    sheet: Mapping[str, Any]
    wanted: Mapping[str, Any]  #: each run's parameters, by its id
    fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  #: what else a run was asked to be


RNASEQ = Case(
    name="rnaseq.csv",
    text="""\
sample,fastq_1,fastq_2,strandedness
WT_REP1,s3://lab/a_1.fq.gz,s3://lab/a_2.fq.gz,auto
WT_REP1,s3://lab/b_1.fq.gz,s3://lab/b_2.fq.gz,auto
WT_REP2,s3://lab/c_1.fq.gz,,reverse
""",
    sheet={
        "group_by": "sample",
        "each": {
            "parameters": {
                "strandedness": "{strandedness}",
                "reads": [{"r1": "{fastq_1}", "r2": "{fastq_2}"}],
            }
        },
    },
    wanted={
        "WT_REP1": {
            "strandedness": "auto",
            "reads": [
                {"r1": "s3://lab/a_1.fq.gz", "r2": "s3://lab/a_2.fq.gz"},
                {"r1": "s3://lab/b_1.fq.gz", "r2": "s3://lab/b_2.fq.gz"},
            ],
        },
        "WT_REP2": {"strandedness": "reverse", "reads": [{"r1": "s3://lab/c_1.fq.gz"}]},
    },
)
SAREK = Case(
    name="sarek.csv",
    text="""\
patient,sex,status,sample,lane,fastq_1,fastq_2
P1,XX,0,N1,L1,s3://lab/N1_L1_1.fq.gz,s3://lab/N1_L1_2.fq.gz
P1,XX,1,T1,L1,s3://lab/T1_L1_1.fq.gz,s3://lab/T1_L1_2.fq.gz
P1,XX,1,T1,L2,s3://lab/T1_L2_1.fq.gz,s3://lab/T1_L2_2.fq.gz
P2,XY,0,N2,L1,s3://lab/N2_L1_1.fq.gz,s3://lab/N2_L1_2.fq.gz
""",
    sheet={
        "group_by": "patient",
        "each": {
            "tags": {"sex": "{sex}"},
            "parameters": {
                "sex": "{sex}",
                "libraries": [
                    {
                        "id": "{sample}_{column.lane}",
                        "is_tumour": "{status:int}",
                        "reads": ["{fastq_1}", "{fastq_2}"],
                    }
                ],
            },
        },
    },
    wanted={
        "P1": {
            "sex": "XX",
            "libraries": [
                {
                    "id": f"{sample}_{lane}",
                    "is_tumour": tumour,
                    "reads": [f"s3://lab/{sample}_{lane}_{mate}.fq.gz" for mate in (1, 2)],
                }
                for sample, lane, tumour in (("N1", "L1", 0), ("T1", "L1", 1), ("T1", "L2", 1))
            ],
        },
        "P2": {
            "sex": "XY",
            "libraries": [
                {
                    "id": "N2_L1",
                    "is_tumour": 0,
                    "reads": ["s3://lab/N2_L1_1.fq.gz", "s3://lab/N2_L1_2.fq.gz"],
                }
            ],
        },
    },
    fields={"P1": {"tags": {"sex": "XX"}}, "P2": {"tags": {"sex": "XY"}}},
)
VIRALRECON = Case(
    name="viralrecon.csv",
    text="sample,fastq_1,fastq_2\ns1,s3://lab/s1_R1.fq.gz,s3://lab/s1_R2.fq.gz\ns2,s3://lab/s2_R1.fq.gz,\n",
    sheet={"id": "sample", "columns_as_parameters": "all"},
    wanted={
        "s1": {"fastq_1": "s3://lab/s1_R1.fq.gz", "fastq_2": "s3://lab/s1_R2.fq.gz"},
        "s2": {"fastq_1": "s3://lab/s2_R1.fq.gz"},
    },
)
METHYLSEQ = Case(
    name="methylseq.csv",
    text="sample,fastq_1,fastq_2,genome\nE1,s3://lab/e_1.fq.gz,s3://lab/e_2.fq.gz,\nE2,s3://lab/f_1.fq.gz,,GRCh38\n",
    sheet={
        "id": "{sample}",
        "each": {"parameters": {"reads": ["{fastq_1}", "{fastq_2}"], "genome": "{genome}"}},
    },
    wanted={
        "E1": {"reads": ["s3://lab/e_1.fq.gz", "s3://lab/e_2.fq.gz"]},
        "E2": {"reads": ["s3://lab/f_1.fq.gz"], "genome": "GRCh38"},
    },
)
SCRNASEQ = Case(
    name="scrnaseq.csv",
    text="""\
sample,fastq_1,fastq_2,protocol,expected_cells
X,s3://lab/X_L1_R1.fq.gz,s3://lab/X_L1_R2.fq.gz,"10xV2","5000"
Y,s3://lab/Y_L1_R1.fq.gz,s3://lab/Y_L1_R2.fq.gz,"10xV3",""
Y,s3://lab/Y_L2_R1.fq.gz,s3://lab/Y_L2_R2.fq.gz,"10xV3",""
""",
    sheet={
        "group_by": "sample",
        "each": {
            "parameters": {
                "chemistry": "{protocol}",
                "expected_cells": "{expected_cells:int}",
                "r1": ["{fastq_1}"],
                "r2": ["{fastq_2}"],
            }
        },
    },
    wanted={
        "X": {
            "chemistry": "10xV2",
            "expected_cells": 5000,
            "r1": ["s3://lab/X_L1_R1.fq.gz"],
            "r2": ["s3://lab/X_L1_R2.fq.gz"],
        },
        "Y": {
            "chemistry": "10xV3",
            "r1": ["s3://lab/Y_L1_R1.fq.gz", "s3://lab/Y_L2_R1.fq.gz"],
            "r2": ["s3://lab/Y_L1_R2.fq.gz", "s3://lab/Y_L2_R2.fq.gz"],
        },
    },
)
TAXPROFILER = Case(
    name="taxprofiler.csv",
    text="""\
sample,run_accession,instrument_platform,fastq_1,fastq_2,fasta
26 11,ERR1,ILLUMINA,,,s3://lab/ERR1.fa.gz
2612,ERR2,ILLUMINA,s3://lab/ERR2_1.fq.gz,s3://lab/ERR2_2.fq.gz,
2612,ERR3,ILLUMINA,s3://lab/ERR3_1.fq.gz,s3://lab/ERR3_2.fq.gz,
""",
    sheet={
        "group_by": "sample",
        "each": {
            "parameters": {
                "platform": "{instrument_platform}",
                "fasta": ["{fasta}"],
                "runs": [{"accession": "{run_accession}", "reads": ["{fastq_1}", "{fastq_2}"]}],
            }
        },
    },
    wanted={
        "26 11": {
            "platform": "ILLUMINA",
            "fasta": ["s3://lab/ERR1.fa.gz"],
            "runs": [{"accession": "ERR1"}],
        },
        "2612": {
            "platform": "ILLUMINA",
            "runs": [
                {"accession": name, "reads": [f"s3://lab/{name}_1.fq.gz", f"s3://lab/{name}_2.fq.gz"]}
                for name in ("ERR2", "ERR3")
            ],
        },
    },
)
TERRA = Case(
    name="sample.tsv",
    text="""\
entity:sample_id\tcram\tcram_index\tparticipant\tis_case\tgvcfs
NA12878\ts3://lab/a.cram\ts3://lab/a.cram.crai\tCEU 1\ttrue\t["s3://lab/1.g.vcf","s3://lab/2.g.vcf"]
0042\ts3://lab/b.cram\ts3://lab/b.cram.crai\tCEU 2\tfalse\t[]
""",
    sheet={
        "id": "{entity:sample_id}",
        "columns_as_parameters": ["cram", "cram_index"],
        "each": {
            "tags": {"participant": "{participant}"},
            "parameters": {"Germline.case": "{is_case:bool}", "Germline.gvcfs": "{gvcfs:json}"},
        },
    },
    wanted={
        "NA12878": {
            "cram": "s3://lab/a.cram",
            "cram_index": "s3://lab/a.cram.crai",
            "Germline.case": True,
            "Germline.gvcfs": ["s3://lab/1.g.vcf", "s3://lab/2.g.vcf"],
        },
        "0042": {
            "cram": "s3://lab/b.cram",
            "cram_index": "s3://lab/b.cram.crai",
            "Germline.case": False,
            "Germline.gvcfs": [],
        },
    },
    fields={"NA12878": {"tags": {"participant": "CEU 1"}}, "0042": {"outputUri": "s3://lab/sample/0042/"}},
)
DX = Case(
    name="dx_batch.0000.tsv",
    text="""\
batch ID\tbam\tindex\tbam ID\treads
10\ts3://lab/10.bam\ts3://lab/10.bai\tfile-A\t["s3://lab/10_1.fq.gz","s3://lab/10_2.fq.gz"]
01\ts3://lab/01.bam\ts3://lab/01.bai\tfile-B\t["s3://lab/01_1.fq.gz","s3://lab/01_2.fq.gz"]
""",
    sheet={
        "id": "batch ID",
        "each": {"parameters": {"bam": "{bam}", "bai": "{index}", "reads": "{reads:json}"}},
    },
    wanted={
        name: {
            "bam": f"s3://lab/{name}.bam",
            "bai": f"s3://lab/{name}.bai",
            "reads": [f"s3://lab/{name}_1.fq.gz", f"s3://lab/{name}_2.fq.gz"],
        }
        for name in ("10", "01")
    },
)
DRAGEN = Case(
    name="fastq_list.csv",
    text="""\
RGID,RGSM,RGLB,Lane,Read1File,Read2File
GACT.CACT.1,S1234,UnknownLibrary,1,S1234_S1_L001_R1_001.fastq.ora,S1234_S1_L001_R2_001.fastq.ora
GACT.CACT.2,S1234,UnknownLibrary,2,S1234_S1_L002_R1_001.fastq.ora,S1234_S1_L002_R2_001.fastq.ora
""",
    sheet={
        "group_by": ["RGSM"],
        "each": {
            "parameters": {
                "fastqs": ["s3://lab/run7/{Read1File}", "s3://lab/run7/{Read2File}"],
                "read_groups": [{"ID": "{RGID}", "LB": "{RGLB}", "lane": "{Lane:int}"}],
            }
        },
    },
    wanted={
        "S1234": {
            "fastqs": [
                f"s3://lab/run7/S1234_S1_L00{lane}_R{mate}_001.fastq.ora"
                for lane in (1, 2)
                for mate in (1, 2)
            ],
            "read_groups": [
                {"ID": f"GACT.CACT.{lane}", "LB": "UnknownLibrary", "lane": lane} for lane in (1, 2)
            ],
        }
    },
)
GATK = Case(
    name="cohort.sample_map.tsv",
    text="NA1\ts3://lab/NA1.g.vcf.gz\nNA2\ts3://lab/NA2.g.vcf.gz\n",
    sheet={"header": ["sample", "gvcf"], "id": "sample", "columns_as_parameters": "all"},
    wanted={name: {"gvcf": f"s3://lab/{name}.g.vcf.gz"} for name in ("NA1", "NA2")},
)
ENA = Case(
    name="ena.csv",
    text="run_accession,sample_alias,fastq_ftp," + ",".join(f"ena_{n}" for n in range(250)) + "\n"
    "ERR1,A,s3://lab/ERR1_1.fq.gz;s3://lab/ERR1_2.fq.gz" + ",x" * 250 + "\n"
    "ERR2,A,s3://lab/ERR2_1.fq.gz;s3://lab/ERR2_2.fq.gz" + ",y" * 250 + "\n",
    sheet={
        "group_by": "sample_alias",
        "each": {"parameters": {"fastqs": ["{fastq_ftp}"], "accessions": ["{run_accession}"]}},
    },
    wanted={
        "A": {
            "fastqs": [f"s3://lab/{name}_1.fq.gz;s3://lab/{name}_2.fq.gz" for name in ("ERR1", "ERR2")],
            "accessions": ["ERR1", "ERR2"],
        }
    },
)
GERMAN = Case(
    name="Proben.csv",
    text='Probe;Größe (µl);Datei 1;Bemerkung\r\nÄ-1;1,5;s3://lab/Ä 1.fq.gz;"2. Lauf; siehe oben"\r\n',
    sheet={
        "delimiter": ";",
        "encoding": "cp1252",
        "id": "Probe",
        "each": {
            "tags": {"note": "{Bemerkung}"},
            "parameters": {"volume": "{Größe (µl)}", "reads": ["{Datei 1}"]},
        },
    },
    wanted={"Ä-1": {"volume": "1,5", "reads": ["s3://lab/Ä 1.fq.gz"]}},
    fields={"Ä-1": {"tags": {"note": "2. Lauf; siehe oben"}, "name": "Proben-Ä-1"}},
)
EVENTS = Case(
    name="events.jsonl",
    text='{"sample_name": "NA12878", "read_group": "U0a", "fastq_1": "s3://lab/a_R1.fq.gz", "cells": 5000}\n',
    sheet={"id": "{sample_name}-{read_group}", "columns_as_parameters": ["fastq_1", "cells"]},
    wanted={"NA12878-U0a": {"fastq_1": "s3://lab/a_R1.fq.gz", "cells": 5000}},
)
CASES = [
    *(RNASEQ, SAREK, VIRALRECON, METHYLSEQ, SCRNASEQ, TAXPROFILER),
    *(TERRA, DX, DRAGEN, GATK, ENA, GERMAN, EVENTS),
]
