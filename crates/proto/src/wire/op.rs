//! Ops, their dependencies and their mutations.

use share_model::{Dependency, Fingerprint, Identity, Limits, Mutation, Op, OpId, OutboxId, Seq};

use super::error::{WireError, WireFault};
use super::field::{at_most_items, bytes, from_one, got, known, list_len, optional_bytes, text};
use crate::op_capnp::{dependency, identity, op};

/// Reads an op.
///
/// # Errors
///
/// If a field is malformed, or there are too many dependencies. Whether the mutation fits the
/// document is another question.
pub fn read_op(reader: op::Reader<'_>, limits: &Limits) -> Result<Op, WireError> {
    BorrowedOp::read(reader)?.copy(limits)
}

/// An op of which nothing is copied yet, so that its bytes can be counted first.
pub(super) struct BorrowedOp<'a> {
    reader: op::Reader<'a>,
    mutation: BorrowedMutation<'a>,
}

enum BorrowedMutation<'a> {
    Put(&'a str, &'a str),
    Merge(&'a str, &'a str),
    AppendText(&'a str, &'a str, &'a str),
    AppendItem(&'a str, &'a str, &'a str),
    Remove(&'a str),
}

impl<'a> BorrowedOp<'a> {
    pub(super) fn read(reader: op::Reader<'a>) -> Result<Self, WireError> {
        Ok(Self {
            reader,
            mutation: BorrowedMutation::read(reader.get_mutation())?,
        })
    }

    /// Bytes of the mutation: what counts against a batch's limit.
    pub(super) fn bytes(&self) -> u64 {
        use BorrowedMutation::{AppendItem, AppendText, Merge, Put, Remove};
        let len = match self.mutation {
            Put(key, json) | Merge(key, json) => key.len() + json.len(),
            AppendText(key, pointer, last) | AppendItem(key, pointer, last) => {
                key.len() + pointer.len() + last.len()
            }
            Remove(key) => key.len(),
        };
        len as u64
    }

    pub(super) fn copy(&self, limits: &Limits) -> Result<Op, WireError> {
        let field = "op.dependsOn";
        let dependencies = got(self.reader.get_depends_on(), field)?;
        at_most_items(dependencies.len(), limits.dependencies_max, field)?;
        Ok(Op {
            id: OpId::from_bytes(bytes(self.reader.get_id(), "op.id")?),
            depends_on: dependencies
                .iter()
                .map(read_dependency)
                .collect::<Result<_, _>>()?,
            mutation: self.mutation.copy(),
        })
    }
}

impl<'a> BorrowedMutation<'a> {
    fn read(reader: op::mutation::Reader<'a>) -> Result<Self, WireError> {
        let field = "op.mutation";
        Ok(match known(reader.which(), field)? {
            op::mutation::Unset(()) => return Err(WireError::new(field, WireFault::Unset)),
            op::mutation::Put(put) => {
                let put = got(put, "op.put")?;
                let key = text(put.get_key(), "op.put.key")?;
                Self::Put(key, text(put.get_json(), "op.put.json")?)
            }
            op::mutation::Merge(merge) => {
                let merge = got(merge, "op.merge")?;
                let key = text(merge.get_key(), "op.merge.key")?;
                Self::Merge(key, text(merge.get_json(), "op.merge.json")?)
            }
            op::mutation::AppendText(append) => {
                let append = got(append, "op.appendText")?;
                let key = text(append.get_key(), "op.appendText.key")?;
                let pointer = text(append.get_pointer(), "op.appendText.pointer")?;
                Self::AppendText(key, pointer, text(append.get_text(), "op.appendText.text")?)
            }
            op::mutation::AppendItem(append) => {
                let append = got(append, "op.appendItem")?;
                let key = text(append.get_key(), "op.appendItem.key")?;
                let pointer = text(append.get_pointer(), "op.appendItem.pointer")?;
                Self::AppendItem(key, pointer, text(append.get_json(), "op.appendItem.json")?)
            }
            op::mutation::Remove(key) => Self::Remove(text(key, "op.remove")?),
        })
    }

    fn copy(&self) -> Mutation {
        match *self {
            Self::Put(key, json) => Mutation::Put {
                key: key.into(),
                json: json.into(),
            },
            Self::Merge(key, json) => Mutation::Merge {
                key: key.into(),
                json: json.into(),
            },
            Self::AppendText(key, pointer, text) => Mutation::AppendText {
                key: key.into(),
                pointer: pointer.into(),
                text: text.into(),
            },
            Self::AppendItem(key, pointer, json) => Mutation::AppendItem {
                key: key.into(),
                pointer: pointer.into(),
                json: json.into(),
            },
            Self::Remove(key) => Mutation::Remove { key: key.into() },
        }
    }
}

/// Fills an op.
///
/// # Panics
///
/// If the op has more dependencies than a list can hold; the limits refuse it long before.
pub fn write_op(op: &Op, mut builder: op::Builder<'_>) {
    builder.set_id(&op.id.to_bytes());
    if !op.depends_on.is_empty() {
        let mut list = builder
            .reborrow()
            .init_depends_on(list_len(op.depends_on.len()));
        for (index, dependency) in (0..).zip(&op.depends_on) {
            write_dependency(dependency, list.reborrow().get(index));
        }
    }
    let mut mutation = builder.init_mutation();
    match &op.mutation {
        Mutation::Put { key, json } => {
            let mut put = mutation.init_put();
            put.set_key(key);
            put.set_json(json);
        }
        Mutation::Merge { key, json } => {
            let mut merge = mutation.init_merge();
            merge.set_key(key);
            merge.set_json(json);
        }
        Mutation::AppendText { key, pointer, text } => {
            let mut append = mutation.init_append_text();
            append.set_key(key);
            append.set_pointer(pointer);
            append.set_text(text);
        }
        Mutation::AppendItem { key, pointer, json } => {
            let mut append = mutation.init_append_item();
            append.set_key(key);
            append.set_pointer(pointer);
            append.set_json(json);
        }
        Mutation::Remove { key } => mutation.set_remove(key),
    }
}

fn read_dependency(reader: dependency::Reader<'_>) -> Result<Dependency, WireError> {
    let outbox = optional_bytes(reader.get_outbox_id(), "op.dependsOn.outboxId")?;
    let seq = from_one(reader.get_seq(), "op.dependsOn.seq")?;
    let fingerprint = bytes(reader.get_fingerprint(), "op.dependsOn.fingerprint")?;
    Ok(Dependency {
        outbox: outbox.map(OutboxId::from_bytes),
        seq: Seq::new(seq),
        fingerprint: Fingerprint::from_bytes(fingerprint),
    })
}

fn write_dependency(dependency: &Dependency, mut builder: dependency::Builder<'_>) {
    if let Some(outbox) = dependency.outbox {
        builder.set_outbox_id(&outbox.to_bytes());
    }
    builder.set_seq(dependency.seq.get());
    builder.set_fingerprint(&dependency.fingerprint.to_bytes());
}

pub(super) fn read_identity(reader: identity::Reader<'_>) -> Result<Identity, WireError> {
    let outbox = bytes(reader.get_outbox_id(), "identity.outboxId")?;
    let seq = from_one(reader.get_seq(), "identity.seq")?;
    let fingerprint = bytes(reader.get_fingerprint(), "identity.fingerprint")?;
    Ok(Identity {
        outbox: OutboxId::from_bytes(outbox),
        seq: Seq::new(seq),
        fingerprint: Fingerprint::from_bytes(fingerprint),
    })
}

pub(super) fn write_identity(identity: &Identity, mut builder: identity::Builder<'_>) {
    builder.set_outbox_id(&identity.outbox.to_bytes());
    builder.set_seq(identity.seq.get());
    builder.set_fingerprint(&identity.fingerprint.to_bytes());
}
