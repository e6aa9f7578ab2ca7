//! The bounds of live pages.

use std::time::Duration;

/// What viewers may make the face hold, and for how long. Rows in `docs/limits.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveLimits {
    /// Stages at a time: shares that are viewed, each by a grant.
    pub stages_max: usize,
    /// Bytes of what all stages say, and of their rings.
    pub stages_bytes_max: usize,
    /// How long a stage stays that nobody views.
    pub stage_idle: Duration,
    /// Bytes of the events that a stage keeps for its viewers; the newest event in any case.
    pub ring_bytes_max: usize,
    /// How long after an event the next one comes at the earliest: what happens meanwhile is in it.
    pub event_pause: Duration,
    /// Bytes of ops of which an event is made at once, whatever the pause.
    pub event_bytes_max: u64,
    /// Ops that a viewer may have missed while no stage was there, and go on.
    pub missed_ops_max: u64,
    /// How often a viewer is told that the connection lives, when there is nothing else.
    pub heartbeat: Duration,
    /// How long after viewers were told how many they are, they are told again at the earliest.
    pub count_pause: Duration,
    /// How long whoever ends an authority waits for viewers to take that in, at most.
    pub end_told: Duration,
    /// Viewers at a time; three quarters of the connections at most.
    pub viewers_max: usize,
    /// Viewers at a time of one stage.
    pub viewers_per_stage_max: usize,
    /// Viewers at a time of one IPv4 address or IPv6 /64; seven eighths of its connections at most.
    pub viewers_per_address_max: usize,
    /// Replays at a time.
    pub replays_max: usize,
    /// Replays at a time of one IPv4 address or IPv6 /64.
    pub replays_per_address_max: usize,
    /// Viewing tokens at a time.
    pub tokens_max: usize,
    /// How long a viewing token lives that nobody uses.
    pub token_idle: Duration,
}

impl LiveLimits {
    /// The defaults.
    pub const DEFAULT: Self = Self {
        stages_max: 1024,
        stages_bytes_max: 256 << 20,
        stage_idle: Duration::from_secs(30),
        ring_bytes_max: 1 << 20,
        event_pause: Duration::from_millis(30),
        event_bytes_max: 256 << 10,
        missed_ops_max: 4096,
        heartbeat: Duration::from_secs(15),
        count_pause: Duration::from_secs(1),
        end_told: Duration::from_millis(250),
        viewers_max: 768,
        viewers_per_stage_max: 512,
        viewers_per_address_max: 224,
        replays_max: 32,
        replays_per_address_max: 8,
        tokens_max: 4096,
        token_idle: Duration::from_secs(30 * 60),
    };
}
