// Addresses in the AWS console: of a run, a log stream, an output place.
// They are put together only from what has the form that it must have, so that no text of others makes an
// address of its own; the rest is text without a link. Regions of other partitions have other consoles.

const REGION = /^(af|ap|ca|eu|il|me|mx|sa|us)-[a-z]+-\d{1,2}$/;
const RUN_ID = /^\d{1,18}$/;
const STREAM = /^run\/\d{1,18}(\/\w[\w.-]{0,255}){0,8}$/;
const OUTPUT = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/([^]{0,1024})$/;
const inConsole = (region, rest) => (REGION.test(region) ? `https://${region}.console.aws.amazon.com/${rest}` : null);

function runLink(run) {
  if (!RUN_ID.test(run.runId) || run.standing === "deleted") return null;
  return inConsole(run.region, `omics/home?region=${run.region}#/runs/${run.runId}`);
}

// The console wants such names encoded twice, with $ for the second %.
const twice = (text) => encodeURIComponent(encodeURIComponent(text)).replaceAll("%", "$");

function logLink(stream, region) {
  if (!STREAM.test(stream)) return null;
  const place = `log-group/${twice(packed.logGroup)}/log-events/${twice(stream)}`;
  return inConsole(region, `cloudwatch/home?region=${region}#logsV2:log-groups/${place}`);
}

function outputLink({ uri, region }) {
  const [, bucket, key] = OUTPUT.exec(uri ?? "") ?? [];
  if (bucket === undefined || /\p{Cs}/u.test(key)) return null;
  const folder = key === "" || key.endsWith("/") ? key : `${key}/`;
  return inConsole(region, `s3/buckets/${bucket}?region=${region}&prefix=${encodeURIComponent(folder)}`);
}

const linked = (text, href) =>
  href === null ? shown(text) : made("a", { text: shown(text), href, target: "_blank", rel: "noopener noreferrer" });
