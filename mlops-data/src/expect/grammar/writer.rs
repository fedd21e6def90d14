use arrow::datatypes::DataType;
use mlops_core::{Expr, Literal, Op};

use super::WORDS;

/// How tightly an expression holds together; operands that hold less tightly go in parentheses.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Rank {
    Or,
    And,
    Not,
    Comparison,
    Sum,
    Product,
    Value,
}

pub(super) fn write(expr: &Expr) -> String {
    at_least(expr, Rank::Or)
}

fn at_least(expr: &Expr, least: Rank) -> String {
    let (text, rank) = written(expr);
    if rank >= least { text } else { format!("({text})") }
}

/// The text, and its rank.
fn written(expr: &Expr) -> (String, Rank) {
    let joined = |parts: &[Expr], word: &str, rank: Rank, inner: Rank| match parts {
        [] | [_] => (call(if rank == Rank::And { "all" } else { "any" }, parts), Rank::Value),
        parts => (parts.iter().map(|part| at_least(part, inner)).collect::<Vec<_>>().join(word), rank),
    };
    match expr {
        Expr::All(parts) => joined(parts, " and ", Rank::And, Rank::Not),
        Expr::Any(parts) => joined(parts, " or ", Rank::Or, Rank::And),
        Expr::Binary { op, left, right } => {
            // From the left within a rank; comparisons do not chain.
            let (rank, first, second) = match op {
                Op::Add | Op::Subtract => (Rank::Sum, Rank::Sum, Rank::Product),
                Op::Divide | Op::Multiply | Op::Remainder => (Rank::Product, Rank::Product, Rank::Value),
                _ => (Rank::Comparison, Rank::Sum, Rank::Sum),
            };
            (format!("{} {op} {}", at_least(left, first), at_least(right, second)), rank)
        }
        Expr::Cast { value, to } => (format!("cast({} as {})", write(value), data_type(to)), Rank::Value),
        Expr::Column(name) => (column(name), Rank::Value),
        Expr::In { value, list } => {
            let list: Vec<String> = list.iter().map(literal).collect();
            (format!("{} in [{}]", at_least(value, Rank::Sum), list.join(", ")), Rank::Comparison)
        }
        Expr::IsNull(operand) => (format!("{} is null", at_least(operand, Rank::Sum)), Rank::Comparison),
        Expr::Literal(value) => (literal(value), Rank::Value),
        Expr::Not(operand) => match operand.as_ref() {
            Expr::In { value, list } => {
                let list: Vec<String> = list.iter().map(literal).collect();
                (format!("{} not in [{}]", at_least(value, Rank::Sum), list.join(", ")), Rank::Comparison)
            }
            Expr::IsNull(inner) => (format!("{} is not null", at_least(inner, Rank::Sum)), Rank::Comparison),
            other => (format!("not {}", at_least(other, Rank::Not)), Rank::Not),
        },
        Expr::OrElse(first, second) => (format!("coalesce({}, {})", write(first), write(second)), Rank::Value),
        // What a later version of the core may add has no text here yet; its own is refused when read.
        other => (other.to_string(), Rank::Value),
    }
}

fn call(name: &str, parts: &[Expr]) -> String {
    format!("{name}({})", parts.iter().map(write).collect::<Vec<_>>().join(", "))
}

fn column(name: &str) -> String {
    let mut chars = name.chars();
    let word = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
        && !WORDS.iter().any(|reserved| reserved.eq_ignore_ascii_case(name));
    if word { name.to_owned() } else { format!("`{}`", name.replace('`', "``")) }
}

fn literal(value: &Literal) -> String {
    match value {
        Literal::Bool(value) => value.to_string(),
        Literal::Float(value) if value.is_nan() => "nan".to_owned(),
        // With a point or an exponent, so that it stays a float.
        Literal::Float(value) => format!("{value:?}"),
        Literal::Int(value) => value.to_string(),
        Literal::Text(text) => format!("'{}'", text.replace('\'', "''")),
        _ => "null".to_owned(),
    }
}

fn data_type(to: &DataType) -> String {
    let name = to.to_string();
    if name.len() < 100
        && name.parse::<DataType>().is_ok_and(|read| read == *to)
        && !name.contains(['\'', '"', '`', '.', ':'])
    {
        return name;
    }
    // Every type is JSON.
    let json = serde_json::to_string(to).unwrap_or(name);
    format!("'{}'", json.replace('\'', "''"))
}
