//! What will be broken, in which order, and how much of the recording is fed meanwhile: all of it
//! decided by the seed before the first process starts.

use share_model::seam::Entropy;

/// Faults of which every run meets this many, whatever the options say.
pub(super) const LOST_REPLIES: usize = 3;
pub(super) const SERVER_KILLS: usize = 2;
pub(super) const CLIENT_KILLS: usize = 2;

/// Faults that a run meets once each if it is to be a hard one.
const HARD: [Fault; 2] = [Fault::CopyClient, Fault::RestoreServer];

/// Cuts of a run whose user did not ask for a number, if the recording has pieces enough.
const CUTS_DEFAULT: usize = 8;

/// Besides a piece for each fault: one before the first fault, so that it falls into a replay and
/// not into its beginning, and one behind the last, which shows that everything still works.
const PIECES_BESIDES_FAULTS: usize = 2;

/// One way of breaking things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection is cut after some bytes to the server.
    CutRequest,
    /// The connection is cut after some bytes to the client.
    CutReply,
    /// The server applies, its reply is swallowed, then the connection is cut.
    LostReply,
    /// The server is killed while it has requests.
    KillServer,
    /// The client is killed while it waits for replies.
    KillClient,
    /// The same, and a copy of its folder comes to its end before it goes on.
    CopyClient,
    /// The server is restored from a backup that lacks what it has acked since.
    RestoreServer,
}

impl Fault {
    /// What it is called in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::CutRequest => "cut a request",
            Self::CutReply => "cut a reply",
            Self::LostReply => "lose a reply",
            Self::KillServer => "kill the server",
            Self::KillClient => "kill the client",
            Self::CopyClient => "copy the client's folder",
            Self::RestoreServer => "restore the server",
        }
    }

    /// Pieces that it takes at least, each fed and applied before the next.
    fn pieces(self) -> usize {
        match self {
            // One that the backup lacks, and one that brings the client to the restored server.
            Self::RestoreServer => 2,
            _ => 1,
        }
    }
}

/// A fault and the pieces of the recording that are fed while it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Episode {
    pub(super) fault: Fault,
    /// Pieces fed when the episode is over, counted from the recording's first.
    pub(super) fed_through: usize,
}

/// A whole run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// Pieces that are fed before the first fault.
    pub(super) warm_up: usize,
    pub(super) episodes: Vec<Episode>,
    /// Ops per batch, so few that a batch is never the whole recording.
    pub(super) batch_ops: u32,
    /// Batches that the client has under way at once.
    pub(super) in_flight: u32,
}

/// Why a recording can't carry the faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum PlanError {
    /// Each fault needs a piece of its own.
    #[error(
        "the recording has {pieces} pieces that change anything, \
         and the faults of a demo need at least {needed}"
    )]
    TooShort { pieces: usize, needed: usize },
    /// More cuts were asked for than the recording has pieces for.
    #[error("the recording is long enough for {possible} cuts, not for {asked}")]
    TooManyCuts { asked: usize, possible: usize },
}

impl Plan {
    /// Plans a run over `pieces` pieces.
    pub(super) fn new(
        pieces: usize,
        (cuts, is_hard): (Option<usize>, bool),
        entropy: &dyn Entropy,
    ) -> Result<Self, PlanError> {
        let hard = if is_hard { &HARD[..] } else { &[] };
        let always = LOST_REPLIES + SERVER_KILLS + CLIENT_KILLS + PIECES_BESIDES_FAULTS;
        let fixed = always + hard.iter().map(|fault| fault.pieces()).sum::<usize>();
        let possible = pieces.checked_sub(fixed).ok_or(PlanError::TooShort {
            pieces,
            needed: fixed,
        })?;
        let cuts = match cuts {
            Some(asked) if asked > possible => {
                return Err(PlanError::TooManyCuts { asked, possible });
            }
            Some(asked) => asked,
            None => CUTS_DEFAULT.min(possible),
        };
        let faults = shuffled(cuts, hard, entropy);
        // One portion each for the warm-up and for what is left at the end.
        let portions =
            faults.iter().map(|fault| fault.pieces()).sum::<usize>() + PIECES_BESIDES_FAULTS;
        let end_of = |portion: usize| pieces * (portion + 1) / portions;
        let mut portion = 0;
        let episodes = faults.into_iter().map(|fault| {
            portion += fault.pieces();
            let fed_through = end_of(portion);
            Episode { fault, fed_through }
        });
        Ok(Self {
            warm_up: end_of(0),
            episodes: episodes.collect(),
            batch_ops: u32::try_from(pieces / (portions * 8))
                .unwrap_or(u32::MAX)
                .clamp(1, 32),
            in_flight: 4,
        })
    }
}

fn shuffled(cuts: usize, hard: &[Fault], entropy: &dyn Entropy) -> Vec<Fault> {
    let mut faults = vec![Fault::LostReply; LOST_REPLIES];
    faults.extend([Fault::KillServer; SERVER_KILLS]);
    faults.extend([Fault::KillClient; CLIENT_KILLS]);
    faults.extend(hard);
    faults.extend((0..cuts).map(|at| match at % 2 {
        0 => Fault::CutRequest,
        _ => Fault::CutReply,
    }));
    for at in (1..faults.len()).rev() {
        faults.swap(at, below(entropy, at + 1));
    }
    faults
}

/// A number below `bound`, which is small.
fn below(entropy: &dyn Entropy, bound: usize) -> usize {
    usize::try_from(entropy.below(bound as u64)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use share_model::seam::SeededEntropy;

    use super::*;

    fn plan(pieces: usize, cuts: Option<usize>, seed: u64) -> Result<Plan, PlanError> {
        Plan::new(pieces, (cuts, false), &SeededEntropy::new(seed))
    }

    #[track_caller]
    fn count(plan: &Plan, fault: Fault) -> usize {
        plan.episodes
            .iter()
            .filter(|episode| episode.fault == fault)
            .count()
    }

    #[test]
    fn every_plan_holds_all_faults_each_with_a_piece_of_its_own() {
        for pieces in [9, 10, 17, 24, 73, 1365] {
            for seed in 0..20 {
                let plan = plan(pieces, None, seed).unwrap();
                assert_eq!(count(&plan, Fault::LostReply), 3);
                assert_eq!(count(&plan, Fault::KillServer), 2);
                assert_eq!(count(&plan, Fault::KillClient), 2);
                let cuts = count(&plan, Fault::CutRequest) + count(&plan, Fault::CutReply);
                assert_eq!(cuts, if pieces < 17 { pieces - 9 } else { 8 });
                let mut fed = plan.warm_up;
                assert!(fed > 0);
                for episode in &plan.episodes {
                    assert!(episode.fed_through > fed, "{plan:?}");
                    fed = episode.fed_through;
                }
                assert!(fed < pieces, "{plan:?}");
            }
        }
    }

    #[test]
    fn a_hard_plan_holds_a_copy_and_a_restore_besides() {
        for pieces in [12, 30, 1365] {
            let entropy = SeededEntropy::new(1);
            let plan = Plan::new(pieces, (Some(0), true), &entropy).unwrap();
            assert_eq!(count(&plan, Fault::CopyClient), 1);
            assert_eq!(count(&plan, Fault::RestoreServer), 1);
            assert_eq!(plan.episodes.len(), 9);
            let mut fed = plan.warm_up;
            for Episode { fault, fed_through } in plan.episodes {
                assert!(fed_through >= fed + fault.pieces());
                fed = fed_through;
            }
        }
        let too_short = PlanError::TooShort {
            pieces: 11,
            needed: 12,
        };
        let entropy = SeededEntropy::new(1);
        assert_eq!(Plan::new(11, (None, true), &entropy), Err(too_short));
    }

    #[test]
    fn the_seed_decides_the_order() {
        assert_eq!(plan(100, None, 7), plan(100, None, 7));
        assert_ne!(plan(100, None, 7), plan(100, None, 8));
    }

    #[test]
    fn a_recording_too_short_for_its_faults_is_refused() {
        let too_short = PlanError::TooShort {
            pieces: 8,
            needed: 9,
        };
        assert_eq!(plan(8, None, 1), Err(too_short));
        assert_eq!(plan(8, Some(0), 1), Err(too_short));
        let refused = PlanError::TooManyCuts {
            asked: 16,
            possible: 15,
        };
        assert_eq!(plan(24, Some(16), 1), Err(refused));
        assert_eq!(plan(24, Some(15), 1).unwrap().episodes.len(), 22);
    }

    #[test]
    fn a_batch_is_never_a_whole_portion() {
        assert_eq!(plan(24, None, 1).unwrap().batch_ops, 1);
        assert_eq!(plan(1365, None, 1).unwrap().batch_ops, 10);
    }
}
