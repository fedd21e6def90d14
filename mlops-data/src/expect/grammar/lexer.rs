use std::fmt;

use mlops_core::{Error, Result};

use super::WORDS;

/// A piece of a condition.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Column(String),
    /// The text is at its end.
    End,
    /// A number as it is written, without sign.
    Number(String),
    Sign(&'static str),
    Text(String),
    Word(&'static str),
}

/// The longest first.
const SIGNS: [&str; 18] =
    ["==", "!=", "<>", "<=", ">=", "<", ">", "=", "+", "-", "*", "/", "%", "(", ")", "[", "]", ","];

/// The tokens with the places at which they begin, in bytes.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let (token, length) = token(&text[at..], c).map_err(|problem| misread(text, at, &problem))?;
        tokens.push((at, token));
        at += length;
    }
    tokens.push((text.len(), Token::End));
    Ok(tokens)
}

/// The error that names the place.
pub(super) fn misread(text: &str, at: usize, problem: &str) -> Error {
    const SHOWN: usize = 200;
    let place = match text.get(at..) {
        None | Some("") => "at its end".to_owned(),
        Some(_) => format!("at character {}", text[..at].chars().count() + 1),
    };
    let shown: String = text.chars().take(SHOWN).collect();
    Error::config(format!("the condition \"{shown}\" can't be read {place}: {problem}"))
}

fn token(rest: &str, first: char) -> Result<(Token, usize), String> {
    match first {
        '\'' | '"' => quoted(rest, first).map(|(text, length)| (Token::Text(text), length)),
        '`' => quoted(rest, first).map(|(name, length)| (Token::Column(name), length)),
        '0'..='9' | '.' => Ok(number(rest)),
        c if c.is_alphabetic() || c == '_' => {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let word = &rest[..end];
            let reserved = WORDS.iter().find(|reserved| reserved.eq_ignore_ascii_case(word));
            Ok((reserved.map_or_else(|| Token::Column(word.to_owned()), |word| Token::Word(word)), end))
        }
        _ => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            Some(sign) => Ok((Token::Sign(sign), sign.len())),
            None => Err(format!("'{first}' means nothing here; a column whose name is no word goes in backticks")),
        },
    }
}

/// A text up to the next quote that is not written twice.
fn quoted(rest: &str, quote: char) -> Result<(String, usize), String> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != quote {
            text.push(c);
        } else if chars.peek().is_some_and(|(_, next)| *next == quote) {
            text.push(quote);
            chars.next();
        } else {
            return Ok((text, at + quote.len_utf8()));
        }
    }
    Err(format!("the {quote} that opens here is never closed"))
}

/// Digits, a point and an exponent; whether that is a number is found out when it is read.
fn number(rest: &str) -> (Token, usize) {
    let mut before = ' ';
    let end = rest.find(|c: char| {
        let inside = c.is_ascii_alphanumeric() || c == '.' || matches!(c, '+' | '-') && matches!(before, 'e' | 'E');
        before = c;
        !inside
    });
    let end = end.unwrap_or(rest.len());
    (Token::Number(rest[..end].to_owned()), end)
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(name) => write!(f, "the column {name}"),
            Self::End => f.write_str("nothing"),
            Self::Number(number) => f.write_str(number),
            Self::Sign(sign) => write!(f, "'{sign}'"),
            Self::Text(text) => write!(f, "the text '{text}'"),
            Self::Word(word) => write!(f, "'{word}'"),
        }
    }
}
