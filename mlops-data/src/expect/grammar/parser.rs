use arrow::datatypes::DataType;
use mlops_core::{Error, Expr, Literal, Op, Result, lit};

use super::lexer::{Token, misread, tokens};

/// So deep may parentheses and operators go into each other: a level of an expression takes up to
/// three of them. One that is deeper than [`Expr::MAX_DEPTH`] is refused when it is bound to data.
const DEEPEST: usize = 3 * Expr::MAX_DEPTH;

pub(super) fn parse(text: &str) -> Result<Expr> {
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0, depth: 0 };
    let expr = parser.any()?;
    match parser.peek() {
        Token::End => Ok(expr),
        other => Err(parser.wrong(&format!("expected an operator or the end, found {other}"))),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        // The last token is the end, and it is never passed.
        &self.tokens[self.at.min(self.tokens.len() - 1)].1
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += usize::from(token != Token::End);
        token
    }

    fn wrong(&self, problem: &str) -> Error {
        misread(self.text, self.tokens[self.at.min(self.tokens.len() - 1)].0, problem)
    }

    fn takes(&mut self, token: &Token) -> bool {
        let is = self.peek() == token;
        self.at += usize::from(is);
        is
    }

    fn sign(&mut self, sign: &'static str) -> bool {
        self.takes(&Token::Sign(sign))
    }

    fn word(&mut self, word: &'static str) -> bool {
        self.takes(&Token::Word(word))
    }

    fn expect(&mut self, sign: &'static str) -> Result<()> {
        if self.sign(sign) {
            return Ok(());
        }
        Err(self.wrong(&format!("expected '{sign}', found {}", self.peek())))
    }

    /// Goes one level deeper for what `parse` reads.
    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(
                self.wrong(&format!("it is more than {DEEPEST} levels deep: compute a part of it into a column first"))
            );
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn any(&mut self) -> Result<Expr> {
        self.deeper(|parser| {
            let mut parts = vec![parser.all()?];
            while parser.word("or") {
                parts.push(parser.all()?);
            }
            Ok(alone(parts, Expr::Any))
        })
    }

    fn all(&mut self) -> Result<Expr> {
        let mut parts = vec![self.not()?];
        while self.word("and") {
            parts.push(self.not()?);
        }
        Ok(alone(parts, Expr::All))
    }

    fn not(&mut self) -> Result<Expr> {
        if self.word("not") { self.deeper(Self::not).map(Expr::not) } else { self.comparison() }
    }

    fn comparison(&mut self) -> Result<Expr> {
        let left = self.sum()?;
        let op = match self.peek() {
            Token::Sign("==" | "=") => Op::Eq,
            Token::Sign("!=" | "<>") => Op::NotEq,
            Token::Sign("<") => Op::Lt,
            Token::Sign("<=") => Op::LtEq,
            Token::Sign(">") => Op::Gt,
            Token::Sign(">=") => Op::GtEq,
            _ => return self.membership(left),
        };
        self.take();
        Ok(binary(op, left, self.sum()?))
    }

    /// `in`, `not in`, `is null` and `is not null`.
    fn membership(&mut self, value: Expr) -> Result<Expr> {
        let list = |list| Expr::In { value: Box::new(value.clone()), list };
        if self.word("in") {
            return Ok(list(self.list()?));
        }
        if self.word("not") {
            if self.word("in") {
                return Ok(list(self.list()?).not());
            }
            return Err(self.wrong(&format!("expected 'in' after 'not', found {}", self.peek())));
        }
        if self.word("is") {
            let not = self.word("not");
            if !self.word("null") {
                return Err(self.wrong(&format!("expected 'null', found {}", self.peek())));
            }
            return Ok(if not { value.is_null().not() } else { value.is_null() });
        }
        Ok(value)
    }

    fn list(&mut self) -> Result<Vec<Literal>> {
        self.expect("[")?;
        let mut values = Vec::new();
        while !self.sign("]") {
            if !values.is_empty() {
                self.expect(",")?;
            }
            match self.unary()? {
                Expr::Literal(value) => values.push(value),
                other => return Err(self.wrong(&format!("a list holds values, and '{other}' is none"))),
            }
        }
        Ok(values)
    }

    fn sum(&mut self) -> Result<Expr> {
        self.chain(Self::product, |sign| match sign {
            "+" => Some(Op::Add),
            "-" => Some(Op::Subtract),
            _ => None,
        })
    }

    fn product(&mut self) -> Result<Expr> {
        self.chain(Self::unary, |sign| match sign {
            "*" => Some(Op::Multiply),
            "/" => Some(Op::Divide),
            "%" => Some(Op::Remainder),
            _ => None,
        })
    }

    /// Operators of one rank, from the left; each makes the tree one level deeper.
    fn chain(&mut self, operand: fn(&mut Self) -> Result<Expr>, op: fn(&str) -> Option<Op>) -> Result<Expr> {
        let mut left = operand(self)?;
        let mut levels = 0;
        while let Token::Sign(sign) = self.peek()
            && let Some(op) = op(sign)
        {
            levels += 1;
            if levels > DEEPEST {
                return Err(
                    self.wrong(&format!("more than {DEEPEST} operators in a row: compute a part into a column first"))
                );
            }
            self.take();
            left = binary(op, left, operand(self)?);
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr> {
        if !self.sign("-") {
            return self.primary();
        }
        match self.peek().clone() {
            Token::Number(number) => {
                let value = self.number(&format!("-{number}"))?;
                self.take();
                Ok(value)
            }
            Token::Word("inf") => {
                self.take();
                Ok(lit(f64::NEG_INFINITY))
            }
            _ => Ok(binary(Op::Subtract, lit(0), self.deeper(Self::unary)?)),
        }
    }

    fn number(&self, number: &str) -> Result<Expr> {
        let digits = number.trim_start_matches('-');
        let float = || number.parse::<f64>().ok().filter(|x| x.is_finite()).map(lit);
        let whole = || number.parse::<i64>().ok().map(lit);
        let value = if digits.bytes().all(|byte| byte.is_ascii_digit()) { whole() } else { float() };
        value.ok_or_else(|| self.wrong(&format!("{number} is no number, or beyond the greatest one")))
    }

    fn primary(&mut self) -> Result<Expr> {
        if let Token::Number(number) = self.peek() {
            let value = self.number(number)?;
            self.take();
            return Ok(value);
        }
        match self.peek().clone() {
            Token::Column(name) => self.taken(Expr::Column(name)),
            Token::Text(text) => self.taken(lit(text)),
            Token::Word("true") => self.taken(lit(true)),
            Token::Word("false") => self.taken(lit(false)),
            Token::Word("null") => self.taken(Expr::Literal(Literal::Null)),
            Token::Word("nan") => self.taken(lit(f64::NAN)),
            Token::Word("inf") => self.taken(lit(f64::INFINITY)),
            Token::Word(call @ ("all" | "any" | "cast" | "coalesce")) => {
                self.take();
                self.expect("(")?;
                self.deeper(|parser| parser.call(call))
            }
            Token::Sign("(") => {
                self.take();
                let inner = self.any()?;
                self.expect(")")?;
                Ok(inner)
            }
            other => Err(self.wrong(&format!("expected a column, a value or '(', found {other}"))),
        }
    }

    fn taken(&mut self, expr: Expr) -> Result<Expr> {
        self.take();
        Ok(expr)
    }

    fn call(&mut self, name: &str) -> Result<Expr> {
        if name == "cast" {
            let value = self.any()?;
            if !self.word("as") {
                return Err(self.wrong(&format!("expected 'as' and a type, found {}", self.peek())));
            }
            return Ok(value.cast(self.data_type()?));
        }
        let mut parts = Vec::new();
        while !self.sign(")") {
            if !parts.is_empty() {
                self.expect(",")?;
            }
            parts.push(self.any()?);
        }
        match (name, parts.len()) {
            ("all", _) => Ok(Expr::All(parts)),
            ("any", _) => Ok(Expr::Any(parts)),
            (_, 2) => {
                let second = parts.remove(1);
                Ok(parts.remove(0).or_else(second))
            }
            (_, n) => Err(self.wrong(&format!("coalesce takes two values, not {n}"))),
        }
    }

    /// The type of a cast, up to the parenthesis that closes the cast: as Arrow writes it, or in
    /// quotes as Arrow's JSON.
    fn data_type(&mut self) -> Result<DataType> {
        const LONGEST: usize = 200;
        if let Token::Text(json) = self.peek().clone() {
            let data_type =
                serde_json::from_str(&json).map_err(|e| self.wrong(&format!("'{json}' is no type: {e}")))?;
            self.take();
            self.expect(")")?;
            return Ok(data_type);
        }
        let (start, first) = (self.tokens[self.at].0, self.at);
        let mut open = 1;
        loop {
            let here = self.tokens[self.at].0;
            match self.take() {
                Token::End => return Err(self.wrong("the ')' of the cast is missing")),
                Token::Sign("(") => open += 1,
                Token::Sign(")") => open -= 1,
                _ => {}
            }
            if open == 0 {
                let name = self.text[start..here].trim();
                let data_type = (name.len() <= LONGEST).then(|| name.parse::<DataType>().ok()).flatten();
                return data_type.ok_or_else(|| {
                    self.at = first;
                    self.wrong(&format!(
                        "'{name}' is no type: write an Arrow type such as Float64, Int64, Utf8 or Date32"
                    ))
                });
            }
        }
    }
}

fn alone(mut parts: Vec<Expr>, join: fn(Vec<Expr>) -> Expr) -> Expr {
    if parts.len() == 1 { parts.remove(0) } else { join(parts) }
}

fn binary(op: Op, left: Expr, right: Expr) -> Expr {
    Expr::Binary { op, left: Box::new(left), right: Box::new(right) }
}
