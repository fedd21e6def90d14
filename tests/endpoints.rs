//! Every endpoint, asked by programs that nobody here wrote: `curl` gets the expected bytes, and
//! `promtool` has nothing to say about the metrics.

mod common;

use std::io::Write;
use std::process::{Command, Stdio};

use common::{Served, package};
use mlops::core::conformance::skip;
use mlops::serve::InferenceService;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/endpoints");

/// The file of an answer, what is asked, and the status.
const EXCHANGES: [(&str, &[&str], &str); 12] = [
    ("server.json", &["/v2"], "200"),
    ("live.json", &["/v2/health/live"], "200"),
    ("ready.json", &["/v2/health/ready"], "200"),
    ("model.json", &["/v2/models/late"], "200"),
    ("model.json", &["/v2/models/late/versions/1"], "200"),
    ("model_ready.json", &["/v2/models/late/ready"], "200"),
    ("model_ready.json", &["/v2/models/late/versions/1/ready"], "200"),
    ("answer.json", &["/v2/models/late/infer", "request.json"], "200"),
    ("answer.json", &["/v2/models/late/versions/1/infer", "request.json"], "200"),
    ("answer_of_one_row.json", &["/v2/models/late/infer", "request_of_one_row.json"], "200"),
    ("unknown_model.json", &["/v2/models/nobody"], "404"),
    ("wrong_request.json", &["/v2/models/late/infer", "wrong.json"], "400"),
];

fn golden(file: &str) -> String {
    let text = std::fs::read_to_string(format!("{GOLDEN}/{file}")).unwrap();
    text.trim_end_matches('\n').replace("{version}", env!("CARGO_PKG_VERSION"))
}

/// The status and the answer; the body of a post is in a file.
fn curl(url: &str, asked: &[&str]) -> std::io::Result<(String, String)> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "10", "--write-out", "\n%{http_code}"]);
    if let Some(body) = asked.get(1) {
        curl.args(["--header", "content-type: application/json"]).arg("--data-binary").arg(format!("@{GOLDEN}/{body}"));
    }
    let said = curl.arg(format!("{url}{}", asked[0])).output()?;
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let text = String::from_utf8(said.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    Ok((status.to_owned(), body.to_owned()))
}

async fn served() -> Served {
    let service = InferenceService::new();
    service.deploy("late:1".parse().unwrap(), package("late")).unwrap();
    Served::start(&service).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_gets_the_expected_bytes() {
    let served = served().await;
    for (file, asked, status) in EXCHANGES {
        match curl(&served.url, asked) {
            Ok(answer) => assert_eq!(answer, (status.to_owned(), golden(file)), "{asked:?}, of {file}"),
            Err(reason) => return skip("curl", reason),
        }
    }
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promtool_has_nothing_to_say() {
    let served = served().await;
    let mut metrics = String::new();
    for (_, asked, _) in EXCHANGES.into_iter().chain([("", &["/metrics"] as &[&str], "200")]) {
        match curl(&served.url, asked) {
            Ok((_, answer)) => metrics = answer,
            Err(reason) => return skip("curl", reason),
        }
    }
    assert!(metrics.contains("mlops_http_requests_total{route=\"infer\",code=\"200\"} 3\n"), "{metrics}");
    assert!(metrics.contains("mlops_inference_rows_total{model=\"late\",version=\"1\"} 7\n"), "{metrics}");
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = match promtool.spawn() {
        Ok(promtool) => promtool,
        Err(reason) => return skip("promtool", reason),
    };
    // The last line was cut where curl adds the status.
    promtool.stdin.take().unwrap().write_all((metrics + "\n").as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    let words = [said.stdout, said.stderr].concat();
    assert!(said.status.success() && words.is_empty(), "{}", String::from_utf8_lossy(&words));
    served.end().await;
}
