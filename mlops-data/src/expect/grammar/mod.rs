//! Conditions as text: `arr_time >= dep_time and carrier in ['UA', 'B6']`.

mod lexer;
mod parser;
mod writer;

use mlops_core::{Expr, Result};

/// Reads a condition, or any other [`Expr`], from text as people write it.
///
/// | written | means |
/// |---|---|
/// | `dep_time`, `` `departure time` `` | a column; in backticks if its name is no word |
/// | `12`, `-0.5`, `1e6`, `'UA'`, `true`, `null` | a value; a quote inside a text is written twice |
/// | `+ - * / %` | arithmetic |
/// | `== != < <= > >=` | a comparison; `=` and `<>` are read too |
/// | `carrier in ['UA', 'B6']`, `carrier not in ['UA']` | one of a list, or none |
/// | `tailnum is null`, `tailnum is not null` | whether there is a value |
/// | `and`, `or`, `not`, `( )` | logic, `not` binding most, `or` least |
/// | `coalesce(a, b)` | the first that is not null |
/// | `cast(a as Float64)` | the value in another Arrow type |
///
/// # Errors
/// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) naming the character at which it can't be
/// read, and what is expected there.
///
/// # Example
/// ```
/// use mlops_core::{col, lit};
/// use mlops_data::expect::parse_condition;
///
/// let condition = parse_condition("arr_time >= dep_time or delay > 2 * 60")?;
/// let built = col("arr_time").gt_eq(col("dep_time")).or(col("delay").gt(lit(2).mul(lit(60))));
/// assert_eq!(condition, built);
///
/// let error = parse_condition("arr_time >= ").unwrap_err();
/// assert!(error.to_string().contains("at its end"));
/// # Ok::<(), mlops_core::Error>(())
/// ```
pub fn parse(text: &str) -> Result<Expr> {
    parser::parse(text)
}

/// Writes an expression as [`parse_condition`](parse) reads it: every expression is read back as it
/// was.
///
/// # Example
/// ```
/// use mlops_core::{col, lit};
/// use mlops_data::expect::write_condition;
///
/// let condition = col("dep delay").lt(lit(0)).or(col("carrier").one_of(["UA"]));
/// assert_eq!(write_condition(&condition), "`dep delay` < 0 or carrier in ['UA']");
/// ```
pub fn write(expr: &Expr) -> String {
    writer::write(expr)
}

/// Words that a column's name can't be without backticks.
const WORDS: [&str; 15] =
    ["all", "and", "any", "as", "cast", "coalesce", "false", "in", "inf", "is", "nan", "not", "null", "or", "true"];
