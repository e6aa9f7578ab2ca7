//! Times in words: the `Date` of an answer, by the face's own clock, and times on a page.

use http::HeaderValue;
use share_model::UnixMs;

const DAY_MS: u64 = 86_400_000;
/// Days of 400 years, after which the calendar repeats.
const ERA_DAYS: u64 = 146_097;
/// Days from the first of March of the year 0 to the beginning of Unix time.
const BEFORE_UNIX_DAYS: u64 = 719_468;
/// From the first day of Unix time on.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
/// From March on: a leap day is the last of its year then.
const MONTHS: [&str; 12] = [
    "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb",
];

/// A day and a time of day.
struct Civil {
    /// From 0, a Thursday.
    days: u64,
    year: u64,
    /// From March on: 0 to 11.
    month: u64,
    day: u64,
    seconds: u64,
}

/// The time as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`. `None` after the year 9999.
pub(crate) fn date(at: UnixMs) -> Option<HeaderValue> {
    let civil = Civil::of(at)?;
    let weekday = WEEKDAYS.get(usize::try_from(civil.days % 7).ok()?)?;
    let month = MONTHS.get(usize::try_from(civil.month).ok()?)?;
    let (day, year, [hour, minute, second]) = (civil.day, civil.year, civil.time());
    let text =
        format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT");
    HeaderValue::try_from(text).ok()
}

/// The time as ISO 8601 has it, in UTC: `1994-11-06T08:49:37.000Z`. `None` after the year 9999.
pub(crate) fn iso(at: UnixMs) -> Option<String> {
    let civil = Civil::of(at)?;
    let month = (civil.month + 2) % 12 + 1;
    let (day, year, [hour, minute, second]) = (civil.day, civil.year, civil.time());
    let ms = at.get() % 1000;
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z"
    ))
}

impl Civil {
    fn of(at: UnixMs) -> Option<Self> {
        let (unix_days, seconds) = (at.get() / DAY_MS, at.get() % DAY_MS / 1000);
        let days = unix_days + BEFORE_UNIX_DAYS;
        let (era, day_of_era) = (days / ERA_DAYS, days % ERA_DAYS);
        // The days of leap years are taken away, so that all years have 365.
        let leap_days = day_of_era / 1460 + day_of_era / (ERA_DAYS - 1) - day_of_era / 36_524;
        let year_of_era = (day_of_era - leap_days) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        // Five months, from March on, have 153 days.
        let month = (5 * day_of_year + 2) / 153;
        let year = 400 * era + year_of_era + u64::from(month >= 10);
        (year <= 9999).then_some(Self {
            days: unix_days,
            year,
            month,
            day: day_of_year - (153 * month + 2) / 5 + 1,
            seconds,
        })
    }

    /// Hour, minute, second.
    fn time(&self) -> [u64; 3] {
        [
            self.seconds / 3600,
            self.seconds / 60 % 60,
            self.seconds % 60,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_http_writes_it() {
        // By `date --utc`.
        for (seconds, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_767_225_599, "Wed, 31 Dec 2025 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] {
            let date = date(UnixMs::new(seconds * 1000 + 999)).unwrap();
            assert_eq!(date, expected);
        }
        assert_eq!(date(UnixMs::new(u64::MAX)), None);
    }

    #[test]
    fn a_time_is_written_as_iso_8601_has_it() {
        // By `date --utc --iso-8601=seconds`.
        for (ms, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (784_111_777_999, "1994-11-06T08:49:37.999Z"),
            (951_782_400_001, "2000-02-29T00:00:00.001Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_767_225_599_000, "2025-12-31T23:59:59.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(iso(UnixMs::new(ms)).as_deref(), Some(expected));
        }
        assert_eq!(iso(UnixMs::new(253_402_300_800_000)), None);
        assert_eq!(iso(UnixMs::new(u64::MAX)), None);
    }
}
