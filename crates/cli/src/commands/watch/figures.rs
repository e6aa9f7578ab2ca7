//! Figures, for a line in which there is little room.

/// A time of day in UTC, of milliseconds since 1970.
pub(super) fn time_of_day(at_ms: u64) -> String {
    let seconds = at_ms / 1000 % 86_400;
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// A span of time.
pub(super) fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        _ if ms < 100 => format!("{ms}ms"),
        0..10 => format!("{seconds}.{}s", ms % 1000 / 100),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// A number of tokens.
pub(super) fn tokens(count: u64) -> String {
    match count {
        0..1000 => count.to_string(),
        1000..1_000_000 => format!("{}.{}k", count / 1000, count % 1000 / 100),
        _ => format!("{}.{}M", count / 1_000_000, count % 1_000_000 / 100_000),
    }
}

/// A sum of money, as the agent counts it.
pub(super) fn cost(dollars: f64) -> String {
    match dollars.is_finite() && dollars.abs() < 1e9 {
        true => format!("${dollars:.4}"),
        false => "$?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        assert_eq!(time_of_day(1_795_196_036_176), "17:33:56");
        let spans = [99, 900, 12_345, 61_000, 3_660_000].map(span);
        assert_eq!(spans, ["99ms", "0.9s", "12s", "1m01s", "1h01m"]);
        let counts = [999, 12_345, 1_250_000].map(tokens);
        assert_eq!(counts, ["999", "12.3k", "1.2M"]);
        assert_eq!([cost(0.0123), cost(f64::NAN)], ["$0.0123", "$?"]);
    }
}
