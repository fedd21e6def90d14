use super::*;

fn sample() -> Report {
    let weeks: Vec<String> = (27..53).map(|w| w.to_string()).collect();
    let wave = |phase: f64| (0..26).map(move |i| 0.7 - 0.04 * (f64::from(i) / 4.0 + phase).sin());
    let lines = Chart::lines("ROC-AUC by week", weeks)
        .with_series("frozen", wave(0.0).map(|v| v - 0.02))
        .with_series("served", wave(0.6).enumerate().map(|(i, v)| (i != 9).then_some(v)))
        .with_level("June", 0.72)
        .with_mark(5, "retrained")
        .with_mark(17, "retrained")
        .with_x_label("week of 2013")
        .with_y_label("ROC-AUC");
    let bars = Chart::bars("Share by carrier", ["AA", "B6", "UA", "a carrier with a long name"])
        .with_series("reference", [0.3, 0.2, 0.4, 0.1])
        .with_series("window", [0.1, 0.35, 0.5, 0.05]);
    let grid = Grid::new(["feature", "test", "statistic", "p"])
        .with_row(["distance", "ks", "0.02", "0.81"])
        .with_toned_row(Tone::Bad, ["carrier", "chi_square", "31.2", "0.0001"]);
    Report::new("Flights & <friends>")
        .with_subtitle("July to December 2013, week by week")
        .with_section(
            Section::new("Quality")
                .with_paragraph("The served model is retrained when an alarm fires.")
                .with_figures([("rows", "168,000"), ("retrainings", "3"), ("mean ROC-AUC", "0.696")])
                .with_chart(lines),
        )
        .with_section(Section::new("Drift").with_grid(grid).with_chart(bars))
}

#[test]
fn a_page_is_self_contained_and_escaped() {
    let html = sample().to_html();
    assert!(html.contains("<h1>Flights &amp; &lt;friends&gt;</h1>"));
    for outside in ["http:", "https:", "src=", "href=", "<script", "url(", "@import"] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert_eq!(html, sample().to_html());
    if let Ok(path) = std::env::var("MLOPS_REPORT_SAMPLE") {
        std::fs::write(path, &html).unwrap();
    }
}

#[test]
fn every_chart_has_a_title_and_a_description() {
    let html = sample().to_html();
    assert_eq!(html.matches("role=\"img\"").count(), 2);
    assert!(html.contains("<title id=\"t1\">ROC-AUC by week</title>"));
    assert!(html.contains("Line chart over 26 labels from 27 to 52. frozen: from 0.64"));
    assert!(html.contains("At 32: retrained."));
}

#[test]
fn every_tag_that_opens_is_closed() {
    let html = sample().to_html();
    for tag in ["section", "figure", "svg", "table", "tr", "td", "dl", "ul", "li", "text", "circle", "rect"] {
        let opened = html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
        let closed = html.matches(&format!("</{tag}>")).count();
        assert_eq!(opened, closed, "{tag}");
    }
}

#[test]
fn a_hostile_label_stays_text() {
    let evil = "</title><script>alert(1)</script>\u{1b}";
    let chart = Chart::lines(evil, [evil]).with_series(evil, [1.0]).with_level(evil, 2.0).with_mark(0, evil);
    let section = Section::new(evil).with_chart(chart).with_grid(Grid::new([evil]).with_row([evil]));
    let html = Report::new(evil).with_subtitle(evil).with_section(section.with_figures([(evil, evil)])).to_html();
    assert!(!html.contains("<script"));
    assert!(!html.contains('\u{1b}'));
}

#[test]
fn a_long_line_is_thinned_and_keeps_its_peak() {
    let values: Vec<f64> = (0..100_000).map(|i| if i == 54_321 { 9.0 } else { (f64::from(i) / 900.0).sin() }).collect();
    let chart = Chart::lines("long", (0..values.len()).map(|i| i.to_string())).with_series("x", values);
    let html = Report::new("long").with_section(Section::new("one").with_chart(chart)).to_html();
    assert!(html.len() < 40_000, "{}", html.len());
    assert!(html.contains("x: from -1 to 9"));
}

#[test]
fn nothing_to_draw_is_drawn_without_numbers_that_are_none() {
    let empty = Chart::lines("empty", Vec::<String>::new());
    let gaps = Chart::bars("gaps", ["a", "b"]).with_series("none", [f64::NAN, f64::INFINITY]).with_level("x", f64::NAN);
    let flat = Chart::lines("flat", ["a", "b"]).with_series("same", [0.5, 0.5]);
    let section = Section::new("edge").with_chart(empty).with_chart(gaps).with_chart(flat).with_grid(Grid::default());
    let html = Report::new("edge").with_section(section).to_html();
    assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
}

#[test]
fn a_grid_aligns_wide_text_and_numbers() {
    let grid = Grid::new(["name", "rows"]).with_row(["größe", "12"]).with_row(["a\nb", "7"]).with_row(["only"]);
    assert_eq!(grid.to_string(), "name   rows\n─────  ────\ngröße    12\na b       7\nonly\n");
    assert_eq!(grid.num_rows(), 3);
}
