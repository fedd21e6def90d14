//! A row through a chain of every transform asks the system for no memory.
#![expect(unsafe_code, reason = "an allocator that counts has to implement the unsafe trait `GlobalAlloc`")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use arrow::array::record_batch;
use mlops_core::{CellReader, Pipeline, Role, Run, Table, Transformer, Value, col};
use mlops_data::transform::{
    Binarizer, Clip, Cyclical, Derive, Encode, KBinsDiscretizer, MaxAbsScaler, MinMaxScaler, MissingIndicator,
    Normalizer, OneHotEncoder, OrdinalEncoder, OutputDistribution, Pca, PolynomialFeatures, PowerTransformer,
    QuantileTransformer, RobustScaler, Select, SimpleImputer, SplineTransformer, StandardScaler, TargetEncoder,
    TruncatedSvd,
};

struct Counting;

thread_local! {
    /// The allocations of this thread; others, such as the test harness, have counts of their own.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is handed to `System`, which keeps the contract of `GlobalAlloc`, with the
// arguments that came in. The counter is a plain number: it needs no memory and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller promises what `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller promises what `System` asks for, and all memory comes from there.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn a_chain_of_every_transform() {
    let batch = record_batch!(
        ("a", Float64, [Some(1.5), Some(2.0), None, Some(4.0), Some(8.5), Some(-3.0)]),
        ("b", Float64, [7.0, 1.0, 2.0, 9.0, 4.0, 5.0]),
        ("c", Int64, [3, 1, 4, 1, 5, 9]),
        ("hour", Int64, [0, 4, 8, 12, 16, 20]),
        ("city", Utf8, ["oslo", "bern", "oslo", "pisa", "bern", "oslo"]),
        ("class", Utf8, ["x", "y", "x", "x", "y", "z"]),
        ("plan", Utf8, ["p", "q", "q", "p", "p", "q"]),
        ("late", Boolean, [true, false, true, true, false, false])
    );
    let data = Table::from_batch(batch.unwrap()).with_role("late", Role::Target).unwrap();
    let inner = Pipeline::new().then(StandardScaler::on(["b"])).then(OneHotEncoder::on(["class"]));
    let recipe = Pipeline::new()
        .then(MissingIndicator::on(["a"]).with_columns_kept())
        .then(SimpleImputer::median(["a"]))
        .then(Derive::column("ratio", col("a").div(col("b"))))
        .then(Clip::quantiles(["ratio"], 0.1, 0.9))
        .then(SplineTransformer::on(["ratio"]))
        .then(PowerTransformer::yeo_johnson(["a"]))
        .then(QuantileTransformer::on(["c"]).with_output_distribution(OutputDistribution::Normal))
        .then(MinMaxScaler::on(["a"]))
        .then(MaxAbsScaler::on(["c"]))
        .then(RobustScaler::on(["c"]))
        .then(inner)
        .then(Cyclical::on(["hour"], 24.0))
        .then(TargetEncoder::on(["city"]).with_cv(3))
        .then(OrdinalEncoder::on(["plan"]))
        .then(Binarizer::on(["plan"], 0.5))
        .then(Normalizer::on(["a", "b", "c"]))
        .then(PolynomialFeatures::on(["a", "b"]).with_bias(false))
        .then(Pca::on(["a", "b", "a b"]).with_n_components(2))
        .then(TruncatedSvd::on(["a^2", "b^2"]))
        .then(KBinsDiscretizer::on(["pca0"]).with_encode(Encode::Ordinal))
        .then(Select::drop(["pca1"]));
    let fitted = recipe.fit(&data, &Run::default()).unwrap();
    let input = data.to_batch().unwrap();
    let rows = fitted.rows(input.schema_ref()).unwrap().unwrap();
    let reader = CellReader::new(&input).unwrap();
    let cells: Vec<Vec<Value<'_>>> = (0..reader.num_rows()).map(|row| reader.row(row).collect()).collect();
    let mut output = Vec::new();
    rows.apply_row(&cells[0], &mut output).unwrap();
    // The two buffers are swapped, so the second row may have to grow the other one.
    output.clear();
    rows.apply_row(&cells[0], &mut output).unwrap();
    let before = ALLOCATIONS.get();
    for row in &cells {
        output.clear();
        rows.apply_row(row, &mut output).unwrap();
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert_eq!(output.len(), fitted.output_schema(input.schema_ref()).unwrap().fields().len());
}
