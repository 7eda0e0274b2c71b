"""What a batch cost, through the real command, beside what the simulator knows."""

from __future__ import annotations

import contextlib
import csv
import json
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import apsw
import pytest

from tests.cli.conftest import Shell, Simulated, end, until

HOUR = 3600
PRICES = {
    "currency": "USD",
    "region": "us-east-1",
    "instances": {"omics.c.large": 0.108},
    "storage": {"STATIC": 0.5, "DYNAMIC": 0.25},
}


class Cohort:
    """A batch that has ended, and where it ran."""

    def __init__(self, shell: Shell, simulated: Simulated, count: int, *settings: str) -> None:
        self.shell = shell
        self.simulated = simulated
        shell.write("prices.json", json.dumps(PRICES))
        sets = [part for one in settings for part in ("--set", one)]
        options = ["--endpoint-url", simulated.url, "--poll-interval", "0.2s", "--retry-wait", "0.1s"]
        shell.run("run", *shell.cohort(count), *sets, *options)

    def costs(
        self, *arguments: str, prices: str | None = "prices.json", online: bool = True, **environment: str
    ) -> Any:
        given = ["--prices", prices] if prices else []
        at = ["--endpoint-url", self.simulated.url] if online else []
        return self.shell.run("costs", *arguments, *given, *at, **environment)

    def rows(self, name: str = "costs.csv") -> list[dict[str, str]]:
        with (self.shell.folder / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


@pytest.fixture
def cohort(shell: Shell, simulate):
    def make(*simulator: str, count: int = 3, settings: tuple[str, ...] = ()) -> Cohort:
        return Cohort(shell, simulate("--time-scale", "0.001", "--seed", "1", *simulator), count, *settings)

    return make


@pytest.mark.long
def test_each_attempt_costs_what_the_simulator_says_it_used(cohort):
    it = cohort("--failures", "SERVICE_ERROR=0.5", count=4, settings=("storageType=STATIC",))
    done = it.costs("-o", "costs.csv", "--json")
    assert done.returncode == 0, done.stderr
    assert "asked what" in done.stderr
    ran = {run["uuid"]: run for run in it.simulated.state()["runs"]}
    rows = it.rows()
    assert {row["uuid"] for row in rows} == set(ran)
    assert len(rows) > 4
    for row in rows:
        run = ran[row["uuid"]]
        storage = (run["stopped"] - run["started"]) / HOUR * 1200 * 0.5
        tasks = 2 * 60 / HOUR * 0.108  # both took less than a minute
        assert (row["runId"], row["status"], row["tasks"], row["unpriced"]) == (
            run["id"],
            run["status"],
            "2",
            "",
        )
        assert float(row["taskCost"]) == pytest.approx(tasks)
        assert float(row["storageCost"]) == pytest.approx(storage, abs=1e-3)
        assert float(row["cost"]) == pytest.approx(tasks + storage, abs=1e-3)
    told = json.loads(done.stdout)
    assert told["cost"] == pytest.approx(sum(float(row["cost"]) for row in rows), abs=1e-5)
    assert told["cost"] == pytest.approx(told["taskCost"] + told["storageCost"], abs=1e-5)
    wasted = [float(row["cost"]) for row in rows if row["status"] == "FAILED"]
    assert told["byStatus"]["FAILED"] == {"runs": len(wasted), "cost": pytest.approx(sum(wasted), abs=1e-5)}
    assert told["dearest"][0]["cost"] == max(float(row["cost"]) for row in rows)
    assert told["isEstimate"] is True
    it.costs("--where", "status=failed", "-o", "failed.csv")
    assert it.rows("failed.csv") == [row for row in rows if row["status"] == "FAILED"]


@pytest.mark.long
def test_a_second_time_it_calls_nobody_whatever_the_prices(cohort):
    it = cohort()
    first = it.costs("--json")
    assert it.simulated.calls("ListRunTasks") == 3
    before = it.simulated.state()["calls"]
    it.shell.write("double.json", json.dumps(PRICES | {"instances": {"omics.c.large": 0.216}}))
    second = it.costs(
        "--json", prices="double.json", online=False, AWS_REGION="", HTTPS_PROXY="http://127.0.0.1:1"
    )
    assert second.returncode == 0, second.stderr
    assert it.simulated.state()["calls"] == before
    assert json.loads(second.stdout)["taskCost"] == pytest.approx(2 * json.loads(first.stdout)["taskCost"])
    assert it.shell.run("ledger", "verify").returncode == 0


@pytest.mark.long
def test_what_is_left_out_is_said(cohort):
    it = cohort()
    it.shell.write("few.json", json.dumps(PRICES | {"instances": {}}))
    said = it.costs(prices="few.json").stdout
    assert "cohort: 3 ended runs, estimated cost 0.00 USD, at prices of us-east-1" in said
    assert "left out   6 tasks on omics.c.large, which has no price" in said
    assert "left out   DYNAMIC storage of 3 runs: the API does not report the size used" in said
    known = it.costs("--dynamic-gib", "100", "--json", online=False)
    assert json.loads(known.stdout)["withoutDynamicStorage"] == 0
    assert json.loads(known.stdout)["storageCost"] > 0
    odd = it.shell.run("costs", "cohort", "--dynamic-gib", "nan", "--prices", "few.json")
    assert (odd.returncode, "nan is not a size" in odd.stderr) == (2, True)


def test_deleted_runs_are_named_and_not_asked_for_again(cohort):
    it = cohort()
    at = ("--endpoint-url", it.simulated.url)
    assert it.shell.run("delete", "--ids", "s000", "--yes", *at).returncode == 0
    first = it.costs()
    assert first.returncode == 0
    assert "cohort: 2 ended runs" in first.stdout
    assert "left out   deleted of 1 run: the service does not have the run any more" in first.stdout
    # What is known stays so, when it is deleted later.
    assert it.shell.run("delete", "--yes", *at).returncode == 0
    assert it.costs(online=False).stdout == first.stdout


@pytest.mark.long
def test_some_of_the_rows(cohort):
    it = cohort()
    assert "cohort: 1 ended run," in it.costs("--ids", "s001").stdout
    assert it.simulated.calls("ListRunTasks") == 1
    it.costs("--where", "id=s00[12]", "-o", "costs.csv")
    assert [row["id"] for row in it.rows()] == ["s001", "s002"]
    assert it.costs("--ids", "nobody").returncode == 2
    assert it.costs("-o", "costs.csv").returncode == 2  # it is there already
    said = it.costs("-o", "-", "--format", "jsonl").stdout
    assert [json.loads(line)["id"] for line in said.splitlines()] == ["s000", "s001", "s002"]


@pytest.mark.long
def test_throttled_it_goes_on(cohort):
    it = cohort("--faults", "ListRunTasks:throttle=4x,GetRun:throttle=0.3")
    done = it.costs()
    assert (done.returncode, "cohort: 3 ended runs" in done.stdout) == (0, True)


def test_without_permission_it_names_it(cohort):
    it = cohort("--faults", "ListRunTasks:AccessDeniedException")
    done = it.costs()
    assert (done.returncode, done.stdout) == (5, "")
    assert "allow omics:ListRunTasks" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_interrupted_it_goes_on_where_it_was(cohort):
    it = cohort(count=20)
    asking = ["costs", "--prices", "prices.json", "--endpoint-url", it.simulated.url]
    process = it.shell.start(*asking, "--read-rate", "4")
    until(lambda: kept(it.shell) >= 3)
    code, said = end(process, signal.SIGINT)
    assert (code, "nothing is lost" in said) == (3, True)
    before = kept(it.shell)
    assert before < 20
    calls = it.simulated.calls("ListRunTasks")
    done = it.shell.run(*asking)
    assert (done.returncode, "cohort: 20 ended runs" in done.stdout) == (0, True)
    assert it.simulated.calls("ListRunTasks") - calls == 20 - before


def kept(shell: Shell) -> int:
    with contextlib.closing(apsw.Connection(str(shell.folder / "batchrun.db"))) as connection:
        return int(connection.execute("SELECT count(*) FROM run_usages").get)


@pytest.mark.long
def test_what_is_left_is_told_by_what_the_workflows_runs_cost(cohort):
    it = cohort()
    it.costs()
    rows = it.shell.cohort(5, "more.csv")
    slow = ("--endpoint-url", it.simulated.url, "--detach", "--set", "parameters.x=1")
    it.shell.run("run", *rows, *slow, "--max-active", "1")
    told = json.loads(it.costs("more", "--json", online=False).stdout)
    (to_come,) = told["toCome"]
    assert (to_come["workflowId"], to_come["each"]["runs"]) == ("1234567", 3)
    assert to_come["cost"] == pytest.approx(to_come["rows"] * to_come["each"]["median"], abs=1e-5)
    said = it.costs("more", online=False).stdout
    assert f"for {to_come['rows']} rows of workflow 1234567, by 3 completed runs in this ledger" in said


@pytest.mark.long
def test_plan_says_what_the_rows_to_submit_may_cost(cohort):
    it = cohort()
    rows = it.shell.cohort(5, "more.csv")
    priced = ("--prices", "prices.json")
    assert (
        "cost: 5 rows of workflow 1234567: too few of its runs" in it.shell.run("plan", *rows, *priced).stdout
    )
    it.costs()
    before = it.simulated.state()["calls"]
    said = it.shell.run("plan", *rows, *priced).stdout
    each = 2 * 60 / HOUR * 0.108
    assert (
        f"cost: {5 * each:.4f} USD ({5 * each:.4f} to {5 * each:.4f}) for 5 rows of workflow 1234567" in said
    )
    told = json.loads(it.shell.run("plan", *rows, *priced, "--json").stdout)
    assert (told["toCome"][0]["cost"], told["currency"]) == (pytest.approx(5 * each), "USD")
    assert it.simulated.state()["calls"] == before
    ended = it.shell.run("plan", "cohort.csv", "--defaults", "defaults.yaml", *priced)
    assert (ended.returncode, "cost:" in ended.stdout) == (0, False)
    for ledger in ("batchrun.db", "none.db"):
        done = it.shell.run("plan", *rows, "--prices", "nothing.json", "--ledger", ledger)
        assert (done.returncode, done.stdout) == (2, "")
    fresh = it.shell.run("plan", *rows, *priced, "--ledger", "none.db").stdout
    assert "cost: 5 rows of workflow 1234567: too few of its runs" in fresh
    assert not (it.shell.folder / "none.db").exists()


@pytest.mark.long
def test_plan_names_what_an_estimate_leaves_out_and_what_it_lacks(cohort):
    it = cohort(settings=("storageType=DYNAMIC",))
    it.costs()
    plan = ("plan", *it.shell.cohort(5, "more.csv"), "--prices")
    said = it.shell.run(*plan, "prices.json").stdout
    assert "one attempt each, without DYNAMIC storage (--dynamic-gib)" in said
    assert "without" not in it.shell.run(*plan, "prices.json", "--dynamic-gib", "300").stdout
    it.shell.write("other.json", json.dumps(PRICES | {"instances": {"omics.m.large": 1}}))
    said = it.shell.run(*plan, "other.json", "--dynamic-gib", "300").stdout
    assert "its runs used something without a price (omics.c.large); see 'batchrun costs'" in said
    (told,) = json.loads(it.shell.run(*plan, "other.json", "--json").stdout)["toCome"]
    assert (told["each"], told["lacks"]) == (None, ["omics.c.large", "DYNAMIC storage"])


@pytest.mark.long
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "--prices p.json:1: this is not JSON"),
        ('{"currency": "USD",\n"currency": "USD"}', "the key 'currency' is given twice"),
        ("[" * 100_000, "deep"),
        (
            json.dumps(PRICES | {"region": "eu-west-1"}),
            "these are prices of eu-west-1, and the batch's",
        ),
        (json.dumps(PRICES | {"storage": {"STATIC": -1}}), "p.json: storage.STATIC: '-1' is not a price"),
        ("\xff" + "x" * 1_000_001, "larger than any list of prices"),
    ],
)
def test_prices_that_cannot_be_used(cohort, text, problem):
    it = cohort(count=1)
    it.shell.write("p.json", text)
    done = it.costs(prices="p.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert problem in done.stderr
    assert it.simulated.calls("ListRunTasks") == 0


def test_without_prices_nobody_is_asked_where_nobody_bills(cohort):
    it = cohort(count=1)
    done = it.costs(prices=None)
    assert (done.returncode, "give --prices FILE, such as 'batchrun help costs' shows" in done.stderr) == (
        2,
        True,
    )
    (it.shell.folder / "prices.json").unlink()
    assert "'batchrun costs BATCH --save-prices FILE' makes one" in it.costs().stderr
    assert it.costs("--save-prices", "x.json").returncode == 2


def test_prices_are_asked_for_and_saved_for_who_may_not_ask(cohort):
    it = cohort(count=1)
    with price_list() as url:
        asked = it.costs("--save-prices", "saved.json", prices=None, AWS_ENDPOINT_URL_PRICING=url, **KEYS)
    assert asked.returncode == 0, asked.stderr
    assert "no price of omics.m.large: its price is per 'Month', not per hour" in asked.stderr
    saved = json.loads((it.shell.folder / "saved.json").read_text())
    assert saved == {
        "currency": "USD",
        "region": "us-east-1",
        "instances": {"omics.c.large": 0.108},
        "storage": {"STATIC": 0.0001918},
    }
    assert it.costs(prices="saved.json", online=False).stdout == asked.stdout


KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}


@contextlib.contextmanager
def price_list() -> Iterator[str]:
    products = [
        ("omics.c.large", "Hours", "0.108"),
        ("omics.m.large", "Month", "9"),
        ("Run Storage", "GB-Hours", "0.0001918"),
    ]

    class PriceList(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.dumps({"PriceList": [json.dumps(_product(*one)) for one in products]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), PriceList) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def _product(name: str, unit: str, price: str) -> dict[str, Any]:
    dimension = {"unit": unit, "pricePerUnit": {"USD": price}}
    return {
        "product": {"attributes": {"resourceType": name}},
        "terms": {"OnDemand": {"a": {"priceDimensions": {"b": dimension}}}},
    }
