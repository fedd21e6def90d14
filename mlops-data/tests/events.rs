//! Features of earlier events against a search through all rows, and steps that change which rows there
//! are.

use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, Int64Type};
use mlops_core::sketch::Moments;
use mlops_core::{Codecs, Pipeline, Role, Run, Table, Transformer};
use mlops_data::transform::{
    Deduplicate, Keep, Lag, RandomOverSampler, RandomUnderSampler, Rolling, SamplingStrategy, StandardScaler,
    Statistic, Window,
};
use proptest::prelude::*;

type Event = (u8, Option<i64>, Option<f64>);

fn table(events: &[Event]) -> Table {
    let keys: StringArray = events.iter().map(|event| Some(["a", "b", "c"][event.0 as usize])).collect();
    let columns: [(&str, ArrayRef); 3] = [
        ("key", Arc::new(keys)),
        ("time", Arc::new(events.iter().map(|event| event.1).collect::<Int64Array>())),
        ("x", Arc::new(events.iter().map(|event| event.2).collect::<Float64Array>())),
    ];
    Table::from_batch(RecordBatch::try_from_iter_with_nullable(columns.map(|(n, c)| (n, c, true))).unwrap())
}

/// The events of a key before a time, in order.
fn before(events: &[Event], key: u8, time: i64) -> Vec<(i64, Option<f64>)> {
    let mut past: Vec<(i64, Option<f64>)> =
        events.iter().filter(|e| e.0 == key && e.1.is_some_and(|t| t < time)).map(|e| (e.1.unwrap(), e.2)).collect();
    past.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.partial_cmp(&b.1).unwrap()));
    past
}

fn expected(statistic: Statistic, values: &[(i64, Option<f64>)]) -> Option<f64> {
    let values: Vec<f64> = values.iter().filter_map(|(_, x)| *x).collect();
    let mut moments = Moments::default();
    moments.update_slice(&values);
    match statistic {
        Statistic::Count => Some(values.len() as f64),
        Statistic::Max => values.iter().copied().reduce(f64::max),
        Statistic::Mean => moments.mean(),
        Statistic::Min => values.iter().copied().reduce(f64::min),
        Statistic::Std => moments.std(1),
        _ => (!values.is_empty()).then(|| moments.sum()),
    }
}

const STATISTICS: [Statistic; 6] =
    [Statistic::Count, Statistic::Max, Statistic::Mean, Statistic::Min, Statistic::Std, Statistic::Sum];

fn read(table: &Table, name: &str) -> Vec<Option<f64>> {
    table.column(name).unwrap().as_primitive::<Float64Type>().iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn features_are_what_a_search_finds(
        events in prop::collection::vec(
            (0u8..3, prop::option::weighted(0.9, 0i64..20), prop::option::weighted(0.8, (-8i64..8).prop_map(|x| x as f64 / 2.0))),
            1..60,
        ),
        window in 1usize..5,
        size in 1usize..20,
    ) {
        let rows = NonZeroUsize::new(window).unwrap();
        let table = table(&events).rebatch(size).unwrap();
        let recipe = Pipeline::new()
            .then(Lag::of("x", "key", "time").with_lags([rows]))
            .then(Rolling::of("x", "key", "time", Window::Rows(rows)).with_statistics(STATISTICS))
            .then(Rolling::of("x", "key", "time", Window::Seconds(window as u64)).with_statistics(STATISTICS));
        let (fitted, features) = recipe.fit_transform(&table, &Run::default()).unwrap();

        // What was fitted knows the future of no row, but all of the past of rows to come.
        let later: Vec<Event> = (0..3).map(|key| (key, Some(21), None)).chain([(0, None, None)]).collect();
        let later_table = self::table(&later);
        let served = fitted.apply(later_table.to_batch().unwrap()).unwrap();
        let codecs = Codecs::default().with(mlops_data::codecs());
        let loaded = codecs.transform(&fitted.save().unwrap()).unwrap();
        prop_assert_eq!(&loaded.apply(later_table.to_batch().unwrap()).unwrap(), &served);

        for (asked, features) in [(&events, features), (&later, Table::from_batch(served))] {
            for (row, event) in asked.iter().enumerate() {
                let known = events.iter().any(|e| e.0 == event.0);
                let past = event.1.filter(|_| known).map(|time| (time, before(&events, event.0, time)));
                let lag = past.as_ref().and_then(|(_, past)| past.len().checked_sub(window).and_then(|i| past[i].1));
                let name = format!("x_lag_{window}");
                prop_assert_eq!(read(&features, &name)[row], lag, "{}, row {}", name, row);
                for statistic in STATISTICS {
                    let last = past.as_ref().and_then(|(_, past)| {
                        expected(statistic, &past[past.len().saturating_sub(window)..])
                    });
                    let name = format!("x_{statistic}_{window}");
                    prop_assert_eq!(read(&features, &name)[row], last, "{}, row {}", name, row);
                    let span = past.as_ref().and_then(|(time, past)| {
                        let start = past.partition_point(|(t, _)| *t < time - window as i64);
                        expected(statistic, &past[start..])
                    });
                    let name = format!("x_{statistic}_{window}s");
                    prop_assert_eq!(read(&features, &name)[row], span, "{}, row {}", name, row);
                }
            }
        }
    }
}

#[test]
fn what_was_forgotten_is_null() {
    let events: Vec<Event> = (0..10).map(|time| (0, Some(time), Some(time as f64))).collect();
    let recipe = Rolling::of("x", "key", "time", Window::Rows(NonZeroUsize::new(3).unwrap()));
    let fitted = recipe.fit(&table(&events), &Run::default()).unwrap();
    let ask = |time| {
        let served = fitted.apply(table(&[(0, Some(time), None)]).to_batch().unwrap()).unwrap();
        read(&Table::from_batch(served), "x_mean_3")[0]
    };
    assert_eq!((ask(10), ask(99)), (Some(8.0), Some(8.0)));
    assert_eq!((ask(9), ask(2)), (None, None));
}

fn imbalanced() -> Table {
    let columns: [(&str, ArrayRef); 2] = [
        ("n", Arc::new((0..100).collect::<Int64Array>())),
        ("rare", Arc::new((0..100).map(|n| Some(n % 10 == 3)).collect::<BooleanArray>())),
    ];
    Table::from_batch(RecordBatch::try_from_iter(columns).unwrap()).with_role("rare", Role::Target).unwrap()
}

fn numbers(table: &Table) -> Vec<i64> {
    table.column("n").unwrap().as_primitive::<Int64Type>().values().to_vec()
}

#[test]
fn samplers_balance_by_the_seed_alone() {
    let table = imbalanced();
    let count = |table: &Table, rare: bool| numbers(table).iter().filter(|n| (**n % 10 == 3) == rare).count();
    let over = |run: &Run| RandomOverSampler::new().fit_transform(&table, run).unwrap().1;
    let more = over(&Run::default().with_seed(1));
    assert_eq!((count(&more, true), count(&more, false)), (90, 90));
    assert_eq!(numbers(&more)[..100], numbers(&table));
    assert_eq!(numbers(&over(&Run::default().with_seed(1))), numbers(&more));
    assert_ne!(numbers(&over(&Run::default().with_seed(2))), numbers(&more));

    let under = RandomUnderSampler::new().with_sampling_strategy(SamplingStrategy::Ratio(0.5));
    let (fitted, less) = under.fit_transform(&table, &Run::default().with_seed(1)).unwrap();
    assert_eq!((count(&less, true), count(&less, false)), (10, 20));
    assert!(numbers(&less).is_sorted_by(|a, b| a < b));
    assert_eq!(fitted.apply(table.to_batch().unwrap()).unwrap(), table.to_batch().unwrap());
    let refused = under.with_sampling_strategy(SamplingStrategy::Ratio(1.5)).fit(&table, &Run::default());
    assert!(refused.unwrap_err().to_string().contains("1.5"));
}

#[test]
fn later_steps_learn_from_the_rows_that_are_left() {
    let rows = |recipe: Deduplicate| numbers(&recipe.fit_transform(&imbalanced(), &Run::default()).unwrap().1);
    assert_eq!(rows(Deduplicate::by(["n"])), (0..100).collect::<Vec<_>>());
    let error = Deduplicate::by(["m"]).fit(&imbalanced(), &Run::default()).unwrap_err();
    assert!(error.to_string().contains("'m'"), "{error}");

    let twice: Vec<Event> = vec![(0, Some(1), Some(2.0)), (1, Some(1), Some(4.0)), (0, Some(2), Some(100.0))];
    for (keep, mean) in [(Keep::First, 3.0), (Keep::Last, 52.0)] {
        let recipe = Pipeline::new().then(Deduplicate::by(["key"]).with_keep(keep)).then(StandardScaler::on(["x"]));
        let fitted = recipe.fit(&table(&twice), &Run::default()).unwrap().save().unwrap();
        assert_eq!(fitted.parts[1].state["columns"][0]["learned"]["mean"], mean);
    }
}
