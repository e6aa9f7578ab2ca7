//! Ops: the unit of apply, dedupe and rejection.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::grant::Origin;
use crate::ids::{OpId, OutboxId, Seq};
use crate::json::{JsonLook, Look, json_text_has_reserved_name};

/// An op in the lane in which it was first enqueued; never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The outbox of the first lane.
    pub outbox: OutboxId,
    /// The seq in the first lane.
    pub seq: Seq,
    /// What the op says.
    pub fingerprint: Fingerprint,
}

/// An op that must be applied before the op that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The outbox of that op's first lane; `None`: the first lane of the op that depends on it.
    pub outbox: Option<OutboxId>,
    /// That op's seq in its first lane.
    pub seq: Seq,
    /// That op's fingerprint: a dependency means that very op, not whatever has its seq.
    pub fingerprint: Fingerprint,
}

impl Dependency {
    /// The identity that is meant, for an op whose first lane is `first_lane`.
    pub fn resolve(&self, first_lane: OutboxId) -> Identity {
        Identity {
            outbox: self.outbox.unwrap_or(first_lane),
            seq: self.seq,
            fingerprint: self.fingerprint,
        }
    }
}

/// One change of a share's document. JSON is kept as it was sent, never re-serialised.
///
/// Its texts are shared: a clone costs two or three counts and no bytes, and the copies that the
/// record, the document and the readers of the log have are one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mutation {
    // The order of the variants is persisted (postcard numbers them): keep stable.
    /// Replaces the value at `key`.
    Put {
        /// Where.
        key: Arc<str>,
        /// The new value, as JSON text.
        json: Arc<str>,
    },
    /// JSON Merge Patch (RFC 7386) of the value at `key`.
    Merge {
        /// Where; must be present.
        key: Arc<str>,
        /// The patch, as JSON text.
        json: Arc<str>,
    },
    /// Appends to the string at `pointer` (RFC 6901) in the value at `key`.
    AppendText {
        /// Where; must be present.
        key: Arc<str>,
        /// Where in the value; must name a string. Empty: the value itself.
        pointer: Arc<str>,
        /// What is appended.
        text: Arc<str>,
    },
    /// Appends to the array at `pointer` (RFC 6901) in the value at `key`.
    AppendItem {
        /// Where; must be present.
        key: Arc<str>,
        /// Where in the value; must name an array. Empty: the value itself.
        pointer: Arc<str>,
        /// The new item, as JSON text.
        json: Arc<str>,
    },
    /// Deletes `key`.
    Remove {
        /// Where; must be present.
        key: Arc<str>,
    },
}

impl Mutation {
    /// The key that the mutation changes.
    pub fn key(&self) -> &str {
        self.shared_key()
    }

    pub(crate) fn shared_key(&self) -> &Arc<str> {
        match self {
            Self::Put { key, .. }
            | Self::Merge { key, .. }
            | Self::AppendText { key, .. }
            | Self::AppendItem { key, .. }
            | Self::Remove { key } => key,
        }
    }

    /// Looks at the JSON text that the mutation brings: what [`Document::apply_looked`] has to know of
    /// it. A text that becomes a part of a value is read with that value, and looked at for what no
    /// reader may see only.
    ///
    /// [`Document::apply_looked`]: crate::Document::apply_looked
    pub fn look(&self) -> JsonLook {
        JsonLook(match self {
            Self::Put { json, .. } => Look::at(json),
            Self::Merge { json, .. } | Self::AppendItem { json, .. }
                if json_text_has_reserved_name(json) =>
            {
                Look::Reserved
            }
            Self::Merge { .. }
            | Self::AppendItem { .. }
            | Self::AppendText { .. }
            | Self::Remove { .. } => Look::Unread,
        })
    }

    /// The mutation's number in fingerprints and on the wire. For ever.
    pub fn tag(&self) -> u8 {
        match self {
            Self::Put { .. } => 1,
            Self::Merge { .. } => 2,
            Self::AppendText { .. } => 3,
            Self::AppendItem { .. } => 4,
            Self::Remove { .. } => 5,
        }
    }

    /// The fields in the order of the schema: what follows the tag in a fingerprint.
    pub(crate) fn fields(&self) -> [Option<&str>; 3] {
        match self {
            Self::Put { key, json } | Self::Merge { key, json } => [Some(key), Some(json), None],
            Self::AppendText { key, pointer, text } => [Some(key), Some(pointer), Some(text)],
            Self::AppendItem { key, pointer, json } => [Some(key), Some(pointer), Some(json)],
            Self::Remove { key } => [Some(key), None, None],
        }
    }

    /// Bytes of all fields together: what counts against a batch's limit.
    pub fn bytes(&self) -> usize {
        self.fields().into_iter().flatten().map(str::len).sum()
    }
}

/// One mutation with its id and what it depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Op {
    /// Given by the outbox, or by whoever enqueues.
    pub id: OpId,
    /// What must be applied before; at most [`crate::Limits::dependencies_max`].
    pub depends_on: Vec<Dependency>,
    /// What changes.
    pub mutation: Mutation,
}

impl Op {
    /// Bytes of the mutation and of the id of the origin that goes with the op, if one does: what
    /// counts against a batch's limit.
    pub fn bytes_from(&self, origin: Option<&Origin>) -> u64 {
        let origin = origin.map_or(0, |origin| origin.id().len());
        (self.mutation.bytes() + origin) as u64
    }
}
