//! Reading a parameter file or document: every fault names its key, what was found and what is wanted.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::strict_json::StrictValue;
use crate::Error;
use crate::num::U256;

/// An object of the file with the path that leads to it; keys are taken out as they are read.
pub(crate) struct Section {
    path: String,
    entries: Map<String, Value>,
}

impl Section {
    pub fn parse(text: &str) -> Result<Self, Error> {
        let StrictValue(value) = serde_json::from_str(text)
            .map_err(|fault| Error::parameter("file", format!("no JSON: {fault}")))?;
        Self::from_value("file".to_owned(), value, |_| String::new())
    }

    fn from_value(
        path: String,
        value: Value,
        prefix: impl Fn(&str) -> String,
    ) -> Result<Self, Error> {
        match value {
            Value::Object(entries) => Ok(Self {
                path: prefix(&path),
                entries,
            }),
            other => Err(Error::parameter(
                path,
                format!("{} is no object", shown(&other)),
            )),
        }
    }

    /// The full path of a key.
    pub fn key(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    fn take(&mut self, name: &str) -> Result<Value, Error> {
        self.entries
            .remove(name)
            .ok_or_else(|| Error::parameter(self.key(name), "is missing"))
    }

    /// Names of the keys not taken yet, in name order.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.entries.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    pub fn section(&mut self, name: &str) -> Result<Self, Error> {
        let value = self.take(name)?;
        Self::from_value(self.key(name), value, str::to_owned)
    }

    /// Whether a key is there that was not taken yet.
    pub fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// A section that may be absent.
    pub fn optional(&mut self, name: &str) -> Result<Option<Self>, Error> {
        self.has(name).then(|| self.section(name)).transpose()
    }

    /// A list of objects, of bounded length.
    pub fn sections(
        &mut self,
        name: &str,
        count: RangeInclusive<usize>,
    ) -> Result<Vec<Self>, Error> {
        let path = self.key(name);
        self.list(name, count)?
            .into_iter()
            .enumerate()
            .map(|(at, value)| Self::from_value(format!("{path}[{at}]"), value, str::to_owned))
            .collect()
    }

    /// A list of texts, of bounded length.
    pub fn texts(
        &mut self,
        name: &str,
        count: RangeInclusive<usize>,
    ) -> Result<Vec<String>, Error> {
        let path = self.key(name);
        self.list(name, count)?
            .into_iter()
            .enumerate()
            .map(|(at, value)| text(&format!("{path}[{at}]"), value))
            .collect()
    }

    fn list(&mut self, name: &str, count: RangeInclusive<usize>) -> Result<Vec<Value>, Error> {
        match self.take(name)? {
            Value::Array(values) if count.contains(&values.len()) => Ok(values),
            Value::Array(values) => {
                let (low, high) = count.into_inner();
                let problem = format!("has {} entries; it must have {low} to {high}", values.len());
                Err(Error::parameter(self.key(name), problem))
            }
            other => Err(Error::parameter(
                self.key(name),
                format!("{} is no list", shown(&other)),
            )),
        }
    }

    /// A text that is not empty.
    pub fn text(&mut self, name: &str) -> Result<String, Error> {
        let value = self.take(name)?;
        text(&self.key(name), value)
    }

    /// A decimal, written as a text, within `range`.
    pub fn decimal(&mut self, name: &str, range: RangeInclusive<f64>) -> Result<f64, Error> {
        let written = self.text(name)?;
        decimal(&self.key(name), &written, range)
    }

    /// A whole number, written as a text of digits.
    pub fn natural(&mut self, name: &str) -> Result<U256, Error> {
        let written = self.text(name)?;
        let digits = written.bytes().all(|byte| byte.is_ascii_digit());
        digits
            .then(|| written.parse().ok())
            .flatten()
            .ok_or_else(|| {
                let found: String = written.chars().take(80).collect();
                let problem = format!("{found:?} is no whole number in [0, 2^256), in digits");
                Error::parameter(self.key(name), problem)
            })
    }

    /// A whole number within `range`, which may be negative.
    pub fn integer(&mut self, name: &str, range: RangeInclusive<i128>) -> Result<i128, Error> {
        let written = self.text(name)?;
        let value: Option<i128> = written.parse().ok();
        value.filter(|value| range.contains(value)).ok_or_else(|| {
            let found: String = written.chars().take(80).collect();
            let (low, high) = (range.start(), range.end());
            let problem = format!("{found:?} is no whole number in [{low}, {high}]");
            Error::parameter(self.key(name), problem)
        })
    }

    /// A whole number within `range`.
    pub fn small(&mut self, name: &str, range: RangeInclusive<u64>) -> Result<u64, Error> {
        let value = self.natural(name)?;
        let (low, high) = range.into_inner();
        u64::try_from(value)
            .ok()
            .filter(|value| (low..=high).contains(value))
            .ok_or_else(|| {
                let problem = format!("{value} is out of range; it must be in [{low}, {high}]");
                Error::parameter(self.key(name), problem)
            })
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str) -> Result<bool, Error> {
        match self.take(name)? {
            Value::Bool(flag) => Ok(flag),
            other => {
                let problem = format!("{} is neither true nor false", shown(&other));
                Err(Error::parameter(self.key(name), problem))
            }
        }
    }

    /// Refuses what was not taken.
    pub fn finish(self) -> Result<(), Error> {
        match self.names().first() {
            None => Ok(()),
            Some(name) => Err(Error::parameter(
                self.key(name),
                "is no key that is known here",
            )),
        }
    }
}

/// A value as messages show it: the beginning of a long one.
fn shown(value: &Value) -> String {
    const LENGTH_MAX: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(LENGTH_MAX) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

fn text(key: &str, value: Value) -> Result<String, Error> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Ok(text),
        other => {
            let shown = shown(&other);
            let problem = format!("{shown} is no text (decimals are written as texts, too)");
            Err(Error::parameter(key, problem))
        }
    }
}

/// A plain decimal such as `-0.15`, or a fraction of two such as `-2/3`, within `range`.
pub(crate) fn decimal(key: &str, written: &str, range: RangeInclusive<f64>) -> Result<f64, Error> {
    let value = match written.split_once('/') {
        None => plain_decimal(written),
        Some((over, under)) => plain_decimal(over)
            .zip(plain_decimal(under).filter(|under| *under > 0.0))
            .map(|(over, under)| over / under),
    };
    let (low, high) = (*range.start(), *range.end());
    match value {
        Some(value) if range.contains(&value) => Ok(value),
        Some(_) => Err(Error::parameter(
            key,
            format!("{written} is out of range; it must be in [{low}, {high}]"),
        )),
        None => Err(Error::parameter(
            key,
            format!("{written:?} is no decimal; write one in [{low}, {high}], such as \"0.15\""),
        )),
    }
}

/// Digits with at most a sign and a point: no exponent, no infinity, no NaN.
fn plain_decimal(written: &str) -> Option<f64> {
    let plain = written
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
    plain.then(|| written.parse().ok()).flatten()
}
