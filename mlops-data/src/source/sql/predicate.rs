//! The part of a filter that a database can do.

use std::collections::HashMap;

use mlops_core::{Expr, Literal, Op};

use super::statement::{Statement, quoted};
use crate::source::pushdown::mirrored;

/// As what a column compares with a literal in the database, where that leaves out no row that
/// [`Expr`] keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparable {
    Bool,
    /// Dates; a literal is cast.
    #[cfg(feature = "postgres")]
    Date,
    /// Dates kept as text of one form, whose order is theirs.
    #[cfg(feature = "sqlite")]
    DateText,
    Float,
    Int,
    /// Text that is compared byte by byte once it is told to be.
    #[cfg(feature = "postgres")]
    Text,
    /// Text that is only compared for being the same.
    #[cfg(feature = "sqlite")]
    TextEquality,
    #[cfg(feature = "postgres")]
    Timestamp,
}

/// The whole numbers that a float holds exactly, to either side of 0.
const EXACT: i64 = 1 << 53;
/// A longer list is filtered here: a statement can't have any number of parameters.
const MAX_LIST: usize = 256;

/// A condition in SQL that is true wherever `filter` is, if there is any to speak of; it may be true
/// of more rows, so the filter is applied to what comes back. Its values are bound to `statement`.
pub(super) fn condition(
    filter: &Expr,
    columns: &HashMap<&str, Comparable>,
    statement: &mut Statement,
) -> Option<String> {
    let bound = statement.parameters.len();
    let sql = translate(filter, columns, statement);
    if sql.is_none() {
        statement.parameters.truncate(bound);
    }
    sql
}

fn translate(filter: &Expr, columns: &HashMap<&str, Comparable>, statement: &mut Statement) -> Option<String> {
    match filter {
        // A part that can't be done there only lets more rows through.
        Expr::All(parts) => {
            let parts: Vec<String> = parts.iter().filter_map(|part| condition(part, columns, statement)).collect();
            (!parts.is_empty()).then(|| format!("({})", parts.join(" AND ")))
        }
        Expr::Any(parts) if !parts.is_empty() => {
            let parts = parts.iter().map(|part| condition(part, columns, statement)).collect::<Option<Vec<_>>>()?;
            Some(format!("({})", parts.join(" OR ")))
        }
        Expr::Binary { op, left, right } => match (left.as_ref(), right.as_ref()) {
            (Expr::Column(name), Expr::Literal(value)) => compare(name, *op, value, columns, statement),
            (Expr::Literal(value), Expr::Column(name)) => compare(name, mirrored(*op), value, columns, statement),
            _ => None,
        },
        Expr::In { value, list } => match value.as_ref() {
            Expr::Column(name) if !list.is_empty() && list.len() <= MAX_LIST => {
                let equal = list.iter().map(|value| compare(name, Op::Eq, value, columns, statement));
                Some(format!("({})", equal.collect::<Option<Vec<_>>>()?.join(" OR ")))
            }
            _ => None,
        },
        Expr::IsNull(operand) => match operand.as_ref() {
            Expr::Column(name) => Some(format!("{} IS NULL", quoted(name))),
            _ => None,
        },
        // Of the others, to be true of more rows would become to be true of fewer.
        Expr::Not(operand) => match operand.as_ref() {
            Expr::IsNull(operand) => match operand.as_ref() {
                Expr::Column(name) => Some(format!("{} IS NOT NULL", quoted(name))),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

fn compare(
    name: &str,
    op: Op,
    value: &Literal,
    columns: &HashMap<&str, Comparable>,
    statement: &mut Statement,
) -> Option<String> {
    let sign = sign(op)?;
    let is_equality = matches!(op, Op::Eq | Op::NotEq);
    let comparable = *columns.get(name)?;
    let (value, after_column, after_value) = match (comparable, value) {
        (Comparable::Bool, Literal::Bool(_)) if is_equality => (value.clone(), "", ""),
        (Comparable::Int, Literal::Int(_)) => (value.clone(), "", ""),
        (Comparable::Int | Comparable::Float, Literal::Float(number)) => (exact(*number, comparable)?, "", ""),
        (Comparable::Float, Literal::Int(number)) if (-EXACT..=EXACT).contains(number) => {
            (Literal::Float(*number as f64), "", "")
        }
        #[cfg(feature = "postgres")]
        (Comparable::Text, Literal::Text(text)) if !text.contains('\0') => {
            (value.clone(), if op == Op::Eq { "" } else { " COLLATE \"C\"" }, "")
        }
        #[cfg(feature = "postgres")]
        (Comparable::Date, Literal::Text(text)) if is_date(text) => (value.clone(), "", "::date"),
        #[cfg(feature = "postgres")]
        (Comparable::Timestamp, Literal::Text(text)) if is_timestamp(text) => (value.clone(), "", "::timestamp"),
        #[cfg(feature = "sqlite")]
        (Comparable::TextEquality, Literal::Text(text)) if is_equality && !text.contains('\0') => {
            (value.clone(), " COLLATE BINARY", "")
        }
        #[cfg(feature = "sqlite")]
        (Comparable::DateText, Literal::Text(text)) if is_date(text) => (value.clone(), " COLLATE BINARY", ""),
        _ => return None,
    };
    let place = statement.bind(value);
    Some(format!("{}{after_column} {sign} {place}{after_value}", quoted(name)))
}

/// A float that compares with the column in the database as it does here.
fn exact(number: f64, column: Comparable) -> Option<Literal> {
    let is_exact = number.is_finite() && (column == Comparable::Float || number.abs() <= EXACT as f64);
    is_exact.then_some(Literal::Float(number))
}

fn sign(op: Op) -> Option<&'static str> {
    Some(match op {
        Op::Eq => "=",
        Op::Gt => ">",
        Op::GtEq => ">=",
        Op::Lt => "<",
        Op::LtEq => "<=",
        Op::NotEq => "<>",
        _ => return None,
    })
}

/// Whether `text` is a day as `2013-01-31`, which is read the same everywhere.
fn is_date(text: &str) -> bool {
    has_form(text, "0000-00-00")
}

#[cfg(feature = "postgres")]
fn is_timestamp(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_fraction = (1..=6).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let is_whole = has_form(whole, "0000-00-00 00:00:00") || has_form(whole, "0000-00-00T00:00:00");
    (is_whole && is_fraction) || is_date(text)
}

/// Whether `text` has digits where `form` has zeros, and the same otherwise.
fn has_form(text: &str, form: &str) -> bool {
    text.len() == form.len()
        && text
            .bytes()
            .zip(form.bytes())
            .all(|(byte, form)| if form == b'0' { byte.is_ascii_digit() } else { byte == form })
}

#[cfg(test)]
mod tests {
    use mlops_core::{col, lit};

    use super::*;

    fn sql(filter: &Expr) -> Option<(String, Vec<Literal>)> {
        let columns = HashMap::from([("n", Comparable::Int), ("x", Comparable::Float), ("b", Comparable::Bool)]);
        let mut statement = Statement::default();
        let sql = condition(filter, &columns, &mut statement)?;
        Some((sql, statement.parameters))
    }

    #[test]
    fn values_are_bound_and_names_quoted() {
        let filter = col("n").gt_eq(lit(3)).and(lit(0.5).lt(col("x")));
        let expected = (r#"("n" >= $1 AND "x" > $2)"#.to_owned(), vec![Literal::Int(3), Literal::Float(0.5)]);
        assert_eq!(sql(&filter), Some(expected));
        assert_eq!(sql(&col("a\"b").is_null()).unwrap().0, r#""a""b" IS NULL"#);
    }

    #[test]
    fn what_can_not_be_done_there_leaves_no_value_behind() {
        let strange = col("n").add(lit(1)).eq(lit(2));
        assert_eq!(sql(&strange), None);
        let half = col("n").eq(lit(1)).and(strange.clone());
        assert_eq!(sql(&half), Some((r#"("n" = $1)"#.to_owned(), vec![Literal::Int(1)])));
        assert_eq!(sql(&col("n").eq(lit(1)).or(strange)), None);
        assert_eq!(sql(&col("n").eq(lit(1)).not()), None, "more rows than asked for, negated, are fewer");
        assert_eq!(sql(&col("x").lt(lit(f64::NAN))), None);
        assert_eq!(sql(&col("n").lt(lit(1e300))), None);
        assert_eq!(sql(&col("b").lt(lit(true))), None);
        let other = col("n").eq(lit(1)).or(col("n").one_of(["a"]));
        assert_eq!(sql(&other.and(col("n").eq(lit(2)))), Some((r#"("n" = $1)"#.to_owned(), vec![Literal::Int(2)])));
    }

    #[test]
    fn only_forms_that_every_reader_agrees_on_are_dates() {
        assert!(is_date("2013-01-31"));
        assert!(!is_date("2013-1-31") && !is_date("today") && !is_date("20130131"));
    }
}
