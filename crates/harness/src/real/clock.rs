//! A clock that jumps, as those of machines do when someone sets them.

use std::str::FromStr;
use std::time::Duration;

use share_model::UnixMs;
use share_model::seam::{Clock, Sleep, SystemClock};

use super::moment::Moment;
use super::note::{Note, Notes};

/// A jump of the time of day; written `AT:BY`, both in milliseconds, such as `300:-60000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// Milliseconds after the start of the process.
    pub at_ms: u64,
    /// Milliseconds by which the clock goes forward, or backward if negative.
    pub by_ms: i64,
}

impl FromStr for Jump {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once(':').and_then(|(at, by)| {
            Some(Self {
                at_ms: at.parse().ok()?,
                by_ms: by.parse().ok()?,
            })
        });
        parsed.ok_or_else(|| format!("`{text}` is not of the form AT:BY, in milliseconds"))
    }
}

impl std::fmt::Display for Jump {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.at_ms, self.by_ms)
    }
}

/// The machine's clock, but for its jumps. Sleeps are not disturbed by them.
#[derive(Debug)]
pub(super) struct JumpingClock {
    started: Moment,
    jumps: Vec<Jump>,
}

impl JumpingClock {
    /// A clock with these jumps from now on.
    pub(super) fn new(jumps: Vec<Jump>) -> Self {
        Self {
            started: Moment::now(),
            jumps,
        }
    }

    fn off_ms(&self, since_start_ms: u64) -> i64 {
        let due = self
            .jumps
            .iter()
            .filter(|jump| jump.at_ms <= since_start_ms);
        due.map(|jump| jump.by_ms).sum()
    }

    /// Notes each jump when it has happened; to be run beside the process's work.
    pub(super) async fn tell(jumps: Vec<Jump>, notes: Notes) {
        let mut jumps = jumps;
        jumps.sort_by_key(|jump| jump.at_ms);
        let mut waited = 0;
        for jump in jumps {
            let wait = Duration::from_millis(jump.at_ms.saturating_sub(waited));
            SystemClock.sleep(wait).await;
            waited = waited.max(jump.at_ms);
            notes.write(Note::Fault {
                kind: "clock jump".to_owned(),
                detail: format!("by {} ms", jump.by_ms),
            });
        }
    }
}

impl Clock for JumpingClock {
    fn now(&self) -> UnixMs {
        let off = self.off_ms(Moment::now().ms_since(self.started));
        UnixMs::new(SystemClock.now().get().saturating_add_signed(off))
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        SystemClock.sleep(duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_add_up_from_their_moments_on() {
        let jumps = ["100:-5000", "200:7000"].map(|text| text.parse().unwrap());
        let clock = JumpingClock::new(jumps.to_vec());
        let off = [99, 100, 199, 200].map(|since| clock.off_ms(since));
        assert_eq!(off, [0, -5000, -5000, 2000]);
        assert_eq!(jumps[0].to_string(), "100:-5000");
        assert!("100".parse::<Jump>().is_err());
    }
}
