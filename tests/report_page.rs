//! A report in a real browser: nothing is fetched, nothing is refused, everything is seen, on a wide
//! screen and on a phone, in the light and in the dark.

#[expect(dead_code, reason = "each test takes what it needs")]
mod common;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use common::trips;
use mlops::core::conformance::skip;
use mlops::core::random::SplitMix64;
use mlops::core::report::{Chart, Grid, Report, Section, Tone};
use mlops::core::{Classes, Predictions, Table, Task};
use mlops::data::Profile;
use mlops::train::Evaluation;
use serde_json::Value as Json;

/// What a script beside the page sees of it, and writes where `--dump-dom` shows it. The page forbids
/// scripts of its own.
const PROBE: &str = r#"<!doctype html><meta charset="utf-8"><style>iframe { border: 0; color-scheme: light dark }</style>
<pre id="found"></pre><iframe id="page" width="WIDTH" height="900" src="report.html"></iframe><script>
const page = document.getElementById("page");
const box = (e) => e.getBoundingClientRect();
const spills = (svg) => [...svg.querySelectorAll("text")].filter((t) => {
  const [inner, outer] = [box(t), box(svg)];
  return inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.top < outer.top - 1
    || inner.bottom > outer.bottom + 1;
});
const overlaps = (svg, axis) => {
  const ticks = [...svg.querySelectorAll(".tick." + axis)].map(box);
  const apart = (a, b) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
  return ticks.some((a, i) => ticks.slice(i + 1).some((b) => !apart(a, b)));
};
const hides = (cell) => cell.scrollWidth > cell.clientWidth + 1;
page.onload = () => {
  const inside = page.contentDocument;
  const root = inside.documentElement;
  const charts = [...inside.querySelectorAll("svg[role=img]")];
  const style = (e) => page.contentWindow.getComputedStyle(e);
  document.getElementById("found").textContent = JSON.stringify({
    text: root.innerText,
    width: root.clientWidth,
    scroll: root.scrollWidth,
    fetched: page.contentWindow.performance.getEntriesByType("resource").map((entry) => entry.name),
    charts: charts.map((svg) => ({
      name: svg.querySelector("title").textContent,
      words: svg.querySelector("desc").textContent,
      width: box(svg).width,
      height: box(svg).height,
      shapes: svg.querySelectorAll("path, rect, circle").length,
      spills: spills(svg).map((t) => t.textContent),
      overlaps: overlaps(svg, "x") || overlaps(svg, "y"),
      letters: Math.min(...[...svg.querySelectorAll("text")].map((t) => box(t).height)),
    })),
    numbers: [...inside.querySelectorAll("td.n")].every((td) => style(td).textAlign === "right"),
    hidden: [...inside.querySelectorAll("td, th, dd, li")].filter(hides).map((e) => e.textContent),
    paper: style(inside.body).backgroundColor,
    ink: style(inside.body).color,
  });
};
</script>"#;

/// Every kind of block and of chart, with names that are long, many or strange.
fn report() -> Report {
    let weeks: Vec<String> = (1..=26).map(|week| format!("2013-{:02}-{:02}", week / 5 + 7, week % 5 * 7 + 1)).collect();
    let wave = |phase: f64| (0..26).map(move |i| 0.7 - 0.04 * (f64::from(i) / 4.0 + phase).sin());
    let lines = Chart::lines("ROC-AUC by week", weeks)
        .with_series("frozen", wave(0.0).map(|v| v - 0.02))
        .with_series("served", wave(0.6).enumerate().map(|(i, v)| (i != 9).then_some(v)))
        .with_level("June", 0.72)
        .with_mark(5, "retrained")
        .with_mark(17, "retrained")
        .with_x_label("week, by its first day")
        .with_y_label("ROC-AUC");
    let carriers = ["AA", "B6", "a carrier with a very long name", "W".repeat(16).leak() as &str];
    let many = (0..9).fold(Chart::bars("Share by carrier", carriers), |chart, i| {
        chart.with_series(format!("window {i}"), [0.1, -0.2, 0.3, f64::from(i) / 10.0])
    });
    let dense = Chart::lines("Dense", (0..5_000).map(|i| i.to_string()))
        .with_series("signal", (0..5_000).map(|i| (f64::from(i) / 90.0).sin() * 1e9))
        .with_x_label("row")
        .with_y_label("a large number");
    let alone = Chart::bars("One bar", ["only"]).with_series("rows", [1e-7]).with_y_range(0.0, 2e-7);
    let empty = Chart::lines("Nothing yet", Vec::<String>::new()).with_series("none", Vec::<f64>::new());
    let action = "promoted flights:16: roc_auc 0.7644 against 0.7402 of flights:12, interval 0.011 to 0.037, 812 rows";
    let grid = Grid::new(["feature", "test", "rows", "p", "action"])
        .with_row(["distance", "ks", "168,000", "0.81", ""])
        .with_toned_row(Tone::Bad, ["carrier", "chi_square", "2,100", "<0.0001", action])
        .with_toned_row(Tone::Good, ["x".repeat(90).as_str(), "psi", "7", "0.5", "kept"]);
    let figures = [("rows", "168,000"), ("retrainings", "3"), ("mean ROC-AUC, July to December", "0.696")];
    Report::new("Flights & <friends>")
        .with_subtitle("July to December 2013, week by week")
        .with_section(Section::new("Quality").with_paragraph("long".repeat(60)).with_figures(figures).with_chart(lines))
        .with_section(Section::new("Drift").with_grid(grid).with_chart(many).with_chart(dense))
        .with_section(Section::new("Edges").with_chart(alone).with_chart(empty).with_grid(Grid::default()))
}

/// What the probe found on a page, and what the page logged.
struct Seen {
    found: Json,
    console: Vec<String>,
}

/// Opens the page, unless there is no browser. Chromium says on its standard error what a page logs.
fn browse(html: &str, width: u32, dark: bool) -> std::io::Result<Seen> {
    let place = tempfile::tempdir()?;
    fs::write(place.path().join("report.html"), html)?;
    fs::write(place.path().join("probe.html"), PROBE.replace("WIDTH", &width.to_string()))?;
    let said = chromium(place.path(), dark)
        .args(["--allow-file-access-from-files", "--virtual-time-budget=3000", "--enable-logging=stderr", "--dump-dom"])
        .arg(place.path().join("probe.html"))
        .output()?;
    let logged = String::from_utf8_lossy(&said.stderr);
    let console = logged.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    let dom = String::from_utf8(said.stdout).unwrap();
    let found = dom.split_once("<pre id=\"found\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let (found, _) = found.unwrap_or_else(|| panic!("the page was not opened: {dom}\n{logged}"));
    let found = found.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let found = serde_json::from_str(&found).unwrap_or_else(|e| panic!("{e}: {found:?}\n{logged}"));
    Ok(Seen { found, console })
}

fn chromium(place: &Path, dark: bool) -> Command {
    let mut chromium = Command::new("chromium");
    chromium.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ]);
    chromium.arg(format!("--user-data-dir={}", place.join("profile").display()));
    // Blink's numbers: 0 is dark, 1 is light.
    chromium.arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!dark)));
    chromium
}

fn number(value: &Json) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// What holds for every page, whatever the screen.
fn check(Seen { found, console }: &Seen) {
    assert!(console.is_empty(), "{console:#?}");
    assert_eq!(found["fetched"], serde_json::json!([]), "the page fetches something");
    assert!(number(&found["scroll"]) <= number(&found["width"]), "the page is wider than the screen: {found:#}");
    assert_eq!(found["numbers"], true, "numbers stand right");
    assert_eq!(found["hidden"], serde_json::json!([]), "text is cut off");
    for chart in found["charts"].as_array().unwrap() {
        let name = chart["name"].as_str().unwrap();
        assert!(number(&chart["width"]) > 300.0 && number(&chart["height"]) > 100.0, "{name} is too small: {chart}");
        assert!(number(&chart["shapes"]) >= 1.0, "{name} shows nothing");
        assert_eq!(chart["spills"], serde_json::json!([]), "{name}: text leaves the picture");
        assert_eq!(chart["overlaps"], false, "{name}: labels overlap");
        assert!(number(&chart["letters"]) >= 8.0, "{name}: letters too small to read: {chart}");
    }
}

#[test]
fn a_page_of_everything_on_every_screen() {
    let html = report().to_html();
    let mut colours = Vec::new();
    for (width, dark) in [(1200, false), (360, true)] {
        let seen = match browse(&html, width, dark) {
            Ok(seen) => seen,
            Err(reason) => return skip("chromium", reason),
        };
        check(&seen);
        let found = seen.found;
        assert_eq!(found["charts"].as_array().unwrap().len(), 5);
        let text = found["text"].as_str().unwrap();
        for part in ["Flights & <friends>", "ROC-AUC by week", "June: 0.72", "retrained", "window 8", "168,000", "kept"]
        {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        colours.push((found["paper"].clone(), found["ink"].clone()));
    }
    assert_ne!(colours[0], colours[1], "the page follows the reader's light or dark scheme");
}

#[test]
fn a_profile_page_on_a_phone() {
    let page = Profile::of(&trips()).unwrap().summary().to_html("Trips");
    match browse(&page, 360, false) {
        Ok(seen) => {
            check(&seen);
            assert!(seen.found["text"].as_str().unwrap().contains("distance"), "{:#}", seen.found);
        }
        Err(reason) => skip("chromium", reason),
    }
}

#[test]
fn evaluation_pages_on_every_screen() {
    let mut rng = SplitMix64::new(7);
    let n = 2_000;
    let carriers = StringArray::from_iter_values((0..n).map(|row| ["AA", "B6", "a rather long name"][row % 3]));
    let data = Table::from_batch(RecordBatch::try_from_iter([("carrier", Arc::new(carriers) as ArrayRef)]).unwrap());
    let target: Vec<f64> = (0..n).map(|_| f64::from(u8::from(rng.uniform() < 0.3))).collect();
    let scores = target.iter().flat_map(|y| {
        let p = (0.5 * y + rng.uniform()) / 1.5;
        [1.0 - p, p]
    });
    let classes = Task::Classification { classes: Classes::Bool };
    let classes = Predictions::new(classes, target.clone(), scores.collect()).unwrap();
    let classes = Evaluation::of(classes).unwrap().with_name("flights:16").with_slices(&data, ["carrier"]).unwrap();
    let answers = target.iter().map(|y| 10.0 * y + rng.uniform()).collect();
    let numbers = Predictions::new(Task::Regression, target, answers).unwrap();
    let numbers = Evaluation::of(numbers).unwrap().with_slices(&data, ["carrier"]).unwrap();
    for (page, charts, parts) in [
        (classes.to_html(), 5, ["flights:16", "Calibration of true", "roc_auc by slice", "Fairness by carrier"]),
        (numbers.to_html(), 3, ["Evaluation", "rmse by slice", "True by predicted", "a rather long name"]),
    ] {
        for (width, dark) in [(1200, false), (360, true)] {
            let seen = match browse(&page, width, dark) {
                Ok(seen) => seen,
                Err(reason) => return skip("chromium", reason),
            };
            check(&seen);
            assert_eq!(seen.found["charts"].as_array().unwrap().len(), charts);
            let text = seen.found["text"].as_str().unwrap();
            parts.iter().for_each(|part| assert!(text.contains(part), "{part} is not in\n{text}"));
        }
    }
}

/// The checks are no empty promise: a page that breaks each of them is caught.
#[test]
fn what_is_wrong_is_seen() {
    let page =
        Report::new("Wrong").with_section(Section::new("x").with_grid(Grid::new(["n"]).with_row(["1"]))).to_html();
    let page = page.replace("text-align: right", "text-align: left").replace(
        "</main>",
        "<img src=\"http://example.com/x.png\" alt=\"\"><p style=\"width: 900px\">wide</p>\
         <svg role=\"img\" width=\"100\" height=\"50\"><title>small</title><desc></desc>\
         <text class=\"tick x\" x=\"90\" y=\"20\">spills</text><text class=\"tick x\" x=\"92\" y=\"20\">over</text></svg></main>",
    );
    let Seen { found, console } = match browse(&page, 360, false) {
        Ok(seen) => seen,
        Err(reason) => return skip("chromium", reason),
    };
    assert!(console.iter().any(|line| line.contains("Content Security Policy")), "{console:#?}");
    assert!(number(&found["scroll"]) > number(&found["width"]), "{found:#}");
    assert_eq!(found["numbers"], false);
    let chart = &found["charts"][0];
    assert_eq!((&chart["spills"], &chart["overlaps"]), (&serde_json::json!(["spills", "over"]), &Json::Bool(true)));
}

#[test]
fn a_screenshot_is_no_blank_page() {
    let place = tempfile::tempdir().unwrap();
    let (page, picture) = (place.path().join("report.html"), place.path().join("page.png"));
    fs::write(&page, report().to_html()).unwrap();
    let mut chromium = chromium(place.path(), false);
    chromium.args(["--window-size=1100,2400", &format!("--screenshot={}", picture.display())]);
    if let Err(reason) = chromium.arg(&page).output() {
        return skip("chromium", reason);
    }
    let bytes = fs::read(&picture).unwrap();
    if let Ok(kept) = std::env::var("MLOPS_KEEP_SCREENSHOT") {
        fs::write(kept, &bytes).unwrap();
    }
    assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 30_000, "{} bytes", bytes.len());
}
