"""`policy`: what it prints, without settings and without a service."""

from tests.e2e.desk import Desk

MANIFEST = """\
version: 1
job: least
bucket: photos
sources:
  - prefix: in/
  - csv: more.csv
pipelines:
  - name: small
    process: image/resize,w_40
    target: {bucket: renditions, key: "small/{bucket}/{key}"}
"""


async def test_a_policy_needs_no_settings_and_no_service(desk: Desk) -> None:
    desk.write("job.yaml", MANIFEST)
    desk.write("more.csv", "key,bucket\nb.jpg,second\n")
    plain = await desk.run("policy", "job.yaml", environ={})
    assert plain.out == (await desk.run("policy", "job.yaml", "--json", environ={})).out
    resources = [resource for statement in plain.json["Statement"] for resource in statement["Resource"]]
    assert "acs:oss:*:*:second/*" in resources
    desk.write("config.yaml", "results: oss://results/logs\n")
    assert "acs:oss:*:*:results/logs/least/*" in (await desk.run("policy", "job.yaml", environ={})).out
    (desk.path / "config.yaml").unlink()
    (desk.path / "more.csv").unlink()
    missing = await desk.run("policy", "job.yaml", environ={})
    assert (missing.code, missing.out) == (64, "")
    assert "job.yaml:6:" in missing.err
    desk.write("job.yaml", MANIFEST.replace("more.csv", "'-'"))
    unknown = await desk.run("policy", "job.yaml", environ={})
    assert unknown.code == 64
    assert "standard input may name any bucket" in unknown.err
    # Its header would be taken for a row: to name columns mends nothing.
    assert "mend: name a local copy of it" in unknown.err
    desk.write("job.yaml", MANIFEST.replace("csv: more.csv", "jsonl: oss://lists/keys"))
    unknown = await desk.run("policy", "job.yaml", environ={})
    assert "oss://lists/keys may name any bucket" in unknown.err
    assert "mend: say `columns: [...]` without `bucket`, or name a local copy of it" in unknown.err
