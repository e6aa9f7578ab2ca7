//! The `Date` of an answer, by the face's own clock: a simulation has its own idea of time.

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

/// The time as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`. `None` after the year 9999.
pub(crate) fn date(at: UnixMs) -> Option<HeaderValue> {
    let (days, seconds) = (at.get() / DAY_MS, at.get() % DAY_MS / 1000);
    let weekday = WEEKDAYS
        .iter()
        .cycle()
        .nth(usize::try_from(days % 7).ok()?)?;
    let days = days + BEFORE_UNIX_DAYS;
    let (era, day_of_era) = (days / ERA_DAYS, days % ERA_DAYS);
    // The days of leap years are taken away, so that all years have 365.
    let leap_days = day_of_era / 1460 + day_of_era / (ERA_DAYS - 1) - day_of_era / 36_524;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Five months, from March on, have 153 days.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = 400 * era + year_of_era + u64::from(month >= 10);
    if year > 9999 {
        return None;
    }
    let month = MONTHS.get(usize::try_from(month).ok()?)?;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let text =
        format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT");
    HeaderValue::try_from(text).ok()
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
}
