//! Times, tokens and money, as a reader likes them.

use std::fmt::Write as _;

use serde_json::Value;
use share_model::UnixMs;

use crate::date;

/// Beyond it a number is no count of anything here.
const NUMBER_MAX: f64 = 1e15;

/// The number at `pointer`, if there is one that can be reckoned with.
pub(super) fn number(value: &Value, pointer: &str) -> Option<f64> {
    let number = value.pointer(pointer)?.as_f64()?;
    (number.abs() <= NUMBER_MAX).then_some(number)
}

/// The time at `pointer`.
pub(super) fn time(value: &Value, pointer: &str) -> Option<UnixMs> {
    value.pointer(pointer)?.as_u64().map(UnixMs::new)
}

/// Appends the time as an element; nothing for one that no calendar has.
pub(super) fn push_time(html: &mut String, at: UnixMs) {
    if let Some(iso) = date::iso(at) {
        let words = format!("{} {} UTC", &iso[..10], &iso[11..19]);
        html.extend(["<time datetime=\"", &iso, "\">", &words, "</time>"]);
    }
}

/// How long something took: `850 ms`, `12.3 s`, `3 min 20 s`.
fn duration(value: &Value, start: &str, end: &str) -> Option<String> {
    let (start, end) = (time(value, start)?, time(value, end)?);
    let ms = end.get().checked_sub(start.get())?;
    Some(match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    })
}

/// Appends how long something took, if that is known.
pub(super) fn push_duration(html: &mut String, value: &Value, start: &str, end: &str) {
    if let Some(duration) = duration(value, start, end) {
        html.extend([" <span class=\"duration\">", &duration, "</span>"]);
    }
}

/// Tokens that went in and out.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Tokens {
    /// What was sent, with what the cache had of it.
    pub(super) input: f64,
    pub(super) output: f64,
}

impl Tokens {
    /// The counts in the object at `pointer`; `None` if there are none.
    pub(super) fn at(value: &Value, pointer: &str) -> Option<Self> {
        let counts = value.pointer(pointer)?;
        let at = |pointer| number(counts, pointer).unwrap_or(0.0).max(0.0);
        let tokens = Self {
            input: at("/input") + at("/cache/read") + at("/cache/write"),
            output: at("/output") + at("/reasoning"),
        };
        (tokens.input > 0.0 || tokens.output > 0.0).then_some(tokens)
    }

    pub(super) fn push(self, html: &mut String) {
        html.push_str(" <span class=\"tokens\">");
        html.push_str(&count(self.input));
        html.push_str(" tokens in, ");
        html.push_str(&count(self.output));
        html.push_str(" out</span>");
    }
}

/// Appends what something cost, unless it cost nothing.
pub(super) fn push_cost(html: &mut String, dollars: Option<f64>) {
    let Some(dollars) = dollars.filter(|dollars| *dollars > 0.0) else {
        return;
    };
    html.push_str(" <span class=\"money\">$");
    // Writing to a string can't fail.
    let written = match dollars {
        0.0..0.01 => write!(html, "{dollars:.4}"),
        _ => write!(html, "{dollars:.2}"),
    };
    debug_assert!(written.is_ok(), "a string takes all");
    html.push_str("</span>");
}

/// A count, in groups of three digits.
pub(super) fn count(count: f64) -> String {
    let digits = format!("{count:.0}");
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
