//! Rights and origins.

use share_model::{Limits, Origin, OriginKind, Right, Rights};

use super::error::{WireError, WireFault};
use super::field::{at_most_bytes, got, known, text};
use crate::authority_capnp::rights;
use crate::ids_capnp::origin::{self, Kind};

/// Reads rights: three flags, which no bytes can get wrong.
pub fn read_rights(reader: rights::Reader<'_>) -> Rights {
    let held = [
        (Right::Read, reader.get_read()),
        (Right::Append, reader.get_append()),
        (Right::Admin, reader.get_admin()),
    ];
    let held: Vec<Right> = held
        .into_iter()
        .filter_map(|(right, has)| has.then_some(right))
        .collect();
    Rights::of(&held)
}

/// Fills rights.
pub fn write_rights(rights: Rights, mut builder: rights::Builder<'_>) {
    builder.set_read(rights.has(Right::Read));
    builder.set_append(rights.has(Right::Append));
    builder.set_admin(rights.has(Right::Admin));
}

/// Reads an origin.
///
/// # Errors
///
/// If a field is malformed, or the id is empty or too long.
pub fn read_origin(reader: origin::Reader<'_>) -> Result<Origin, WireError> {
    BorrowedOrigin::read(reader)?.copy()
}

/// An origin of which nothing is copied yet, so that its bytes can be counted first.
pub(super) struct BorrowedOrigin<'a> {
    kind: OriginKind,
    id: &'a str,
}

impl<'a> BorrowedOrigin<'a> {
    fn read(reader: origin::Reader<'a>) -> Result<Self, WireError> {
        let kind = match known(reader.get_kind(), "origin.kind")? {
            Kind::Unset => return Err(WireError::new("origin.kind", WireFault::Unset)),
            Kind::User => OriginKind::User,
            Kind::Agent => OriginKind::Agent,
            Kind::System => OriginKind::System,
            Kind::Import => OriginKind::Import,
        };
        let id = text(reader.get_id(), "origin.id")?;
        // Checked twice, so that an id over the limit is not copied first.
        at_most_bytes(id, Limits::DEFAULT.label_bytes_max, "origin.id")?;
        Ok(Self { kind, id })
    }

    /// The origin in a message where there may be none.
    pub(super) fn read_optional(
        read: Option<capnp::Result<origin::Reader<'a>>>,
        field: &'static str,
    ) -> Result<Option<Self>, WireError> {
        read.map(|read| Self::read(got(read, field)?)).transpose()
    }

    /// Bytes of the id: what counts against a batch's limit.
    pub(super) fn bytes(&self) -> u64 {
        self.id.len() as u64
    }

    pub(super) fn copy(&self) -> Result<Origin, WireError> {
        Origin::new(
            self.kind,
            self.id.to_owned(),
            Limits::DEFAULT.label_bytes_max,
        )
        .map_err(|error| WireError::new("origin", WireFault::Origin(error)))
    }
}

/// Fills an origin.
pub fn write_origin(origin: &Origin, mut builder: origin::Builder<'_>) {
    builder.set_kind(match origin.kind() {
        OriginKind::User => Kind::User,
        OriginKind::Agent => Kind::Agent,
        OriginKind::System => Kind::System,
        OriginKind::Import => Kind::Import,
    });
    builder.set_id(origin.id());
}

/// The origin in a message that holds one.
pub(super) fn required_origin(
    read: capnp::Result<origin::Reader<'_>>,
) -> Result<Origin, WireError> {
    read_origin(got(read, "origin")?)
}
