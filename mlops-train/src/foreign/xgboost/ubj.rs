//! UBJSON (draft 12, big endian), as much of it as XGBoost writes: no high-precision numbers, and
//! typed arrays only of types that take room, so that no count is larger than the bytes behind it.

use mlops_core::{Error, Result};

use super::value::{Collected, Value};

/// Containers within containers; a model has nine.
const DEPTH: usize = 64;

/// Reads one document.
pub(super) fn parse(bytes: &[u8]) -> Result<Value> {
    let mut reader = Reader { bytes, at: 0 };
    let marker = reader.marker()?;
    let value = reader.value(marker, DEPTH)?;
    match reader.bytes.len() - reader.at {
        0 => Ok(value),
        rest => Err(reader.wrong(&format!("{rest} bytes after its end"))),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn wrong(&self, what: &str) -> Error {
        Error::corrupt(format!("the UBJSON of the XGBoost model has {what} at byte {}", self.at))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..count).ok_or_else(|| self.wrong("less than it says"))?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| self.wrong("less than it says"))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The next byte that is not the no-op.
    fn marker(&mut self) -> Result<u8> {
        loop {
            let [marker] = self.array()?;
            if marker != b'N' {
                return Ok(marker);
            }
        }
    }

    fn number(&mut self, marker: u8) -> Result<Option<f64>> {
        Ok(Some(match marker {
            b'i' => i8::from_be_bytes(self.array()?).into(),
            b'U' => u8::from_be_bytes(self.array()?).into(),
            b'I' => i16::from_be_bytes(self.array()?).into(),
            b'l' => i32::from_be_bytes(self.array()?).into(),
            b'L' => i64::from_be_bytes(self.array()?) as f64,
            b'd' => f32::from_be_bytes(self.array()?).into(),
            b'D' => f64::from_be_bytes(self.array()?),
            _ => return Ok(None),
        }))
    }

    fn length(&mut self) -> Result<usize> {
        let marker = self.marker()?;
        let number = match marker {
            b'd' | b'D' => None,
            _ => self.number(marker)?,
        };
        let number = number.filter(|number| *number >= 0.0 && *number <= self.bytes.len() as f64);
        Ok(number.ok_or_else(|| self.wrong("a length that is none"))? as usize)
    }

    fn text(&mut self) -> Result<String> {
        let length = self.length()?;
        let bytes = self.take(length)?;
        Ok(str::from_utf8(bytes).map_err(|e| self.wrong("a text that is not UTF-8").with_source(e))?.to_owned())
    }

    fn value(&mut self, marker: u8, depth: usize) -> Result<Value> {
        if let Some(number) = self.number(marker)? {
            return Ok(Value::Number(number));
        }
        match marker {
            b'Z' => Ok(Value::Null),
            b'T' => Ok(Value::Number(1.0)),
            b'F' => Ok(Value::Number(0.0)),
            b'S' => Ok(Value::Text(self.text()?)),
            b'C' => {
                let [character] = self.array()?;
                Ok(Value::Text(char::from(character).to_string()))
            }
            b'[' | b'{' if depth == 0 => Err(self.wrong("too many containers in containers")),
            b'[' => self.list(depth - 1),
            b'{' => self.map(depth - 1),
            _ => Err(self.wrong("an unknown marker")),
        }
    }

    /// The count of a container that says it, and the type of its values if it says that too.
    fn header(&mut self) -> Result<(Option<u8>, Option<usize>)> {
        let kind = if self.peek() == Some(b'$') {
            self.at += 1;
            let [kind] = self.array()?;
            Some(kind)
        } else {
            None
        };
        let count = if self.peek() == Some(b'#') {
            self.at += 1;
            Some(self.length()?)
        } else {
            None
        };
        if kind.is_some() && count.is_none() {
            return Err(self.wrong("a typed container without a count"));
        }
        Ok((kind, count))
    }

    fn list(&mut self, depth: usize) -> Result<Value> {
        let mut list = Collected::default();
        match self.header()? {
            (Some(kind), Some(count)) => {
                if matches!(kind, b'Z' | b'T' | b'F' | b'N') {
                    return Err(self.wrong("a list of values that take no room"));
                }
                for _ in 0..count {
                    list.push(self.value(kind, depth)?);
                }
            }
            (_, Some(count)) => {
                for _ in 0..count {
                    let marker = self.marker()?;
                    list.push(self.value(marker, depth)?);
                }
            }
            (_, None) => loop {
                match self.marker()? {
                    b']' => break,
                    marker => list.push(self.value(marker, depth)?),
                }
            },
        }
        Ok(list.finish())
    }

    fn map(&mut self, depth: usize) -> Result<Value> {
        let (kind, count) = self.header()?;
        let mut map = Vec::new();
        while count.is_none_or(|count| map.len() < count) {
            while self.peek() == Some(b'N') {
                self.at += 1;
            }
            if count.is_none() && self.peek() == Some(b'}') {
                self.at += 1;
                break;
            }
            let key = self.text()?;
            let marker = match kind {
                Some(kind) => kind,
                None => self.marker()?,
            };
            map.push((key, self.value(marker, depth)?));
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use mlops_core::ErrorKind;

    use super::*;

    #[test]
    fn documents_are_read() {
        let read = parse(b"{i\x01a[$d#L\0\0\0\0\0\0\0\x02\x3f\x80\0\0\xbf\x80\0\0i\x01b[TZ]i\x01cSi\x02hiN}").unwrap();
        assert_eq!(read.numbers("a").unwrap(), [1.0, -1.0]);
        assert_eq!(read.list("b").unwrap(), [Value::Number(1.0), Value::Null]);
        assert_eq!(read.text("c").unwrap(), "hi");
    }

    #[test]
    fn claims_are_not_believed() {
        let deep = vec![b'['; 1 << 20];
        let cases: [&[u8]; 8] = [
            b"",
            b"{",
            b"[$Z#l\x7f\xff\xff\xff",
            b"[$[#i\x7f",
            b"[#L\x7f\xff\xff\xff\xff\xff\xff\xff",
            b"SL\xff\xff\xff\xff\xff\xff\xff\xff",
            b"Sd\x7f\xc0\0\0",
            &deep,
        ];
        for bytes in cases {
            let error = parse(bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        }
    }
}
