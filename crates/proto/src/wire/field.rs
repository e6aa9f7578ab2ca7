//! Single fields: bytes of a fixed length, text, numbers from 1, unions.

use capnp::traits::OwnedStruct;
use capnp::{NotInSchema, data, struct_list, text, text_list};

use share_model::UnixMs;

use super::error::{WireError, WireFault};

/// A value, or what kept capnp from reading it.
type Read<T> = capnp::Result<T>;

/// What a getter returned, its error with the field's name.
pub(super) fn got<T>(read: Read<T>, field: &'static str) -> Result<T, WireError> {
    read.map_err(|error| WireError::new(field, WireFault::Malformed(error.kind)))
}

/// Which member of a union, or which enumerant.
pub(super) fn known<T>(which: Result<T, NotInSchema>, field: &'static str) -> Result<T, WireError> {
    which.map_err(|NotInSchema(tag)| WireError::new(field, WireFault::Unknown(tag)))
}

/// Exactly `LEN` bytes.
pub(super) fn bytes<const LEN: usize>(
    read: Read<data::Reader<'_>>,
    field: &'static str,
) -> Result<[u8; LEN], WireError> {
    let bytes = got(read, field)?;
    bytes.try_into().map_err(|_| {
        let (actual, expected) = (bytes.len(), LEN);
        WireError::new(field, WireFault::Length { actual, expected })
    })
}

/// Exactly `LEN` bytes, or none.
pub(super) fn optional_bytes<const LEN: usize>(
    read: Read<data::Reader<'_>>,
    field: &'static str,
) -> Result<Option<[u8; LEN]>, WireError> {
    match got(read, field)? {
        [] => Ok(None),
        some => bytes(Ok(some), field).map(Some),
    }
}

/// Text, still in the message.
pub(super) fn text<'a>(
    read: Read<text::Reader<'a>>,
    field: &'static str,
) -> Result<&'a str, WireError> {
    let text = got(read, field)?.to_str();
    text.map_err(|_| WireError::new(field, WireFault::NotUtf8))
}

/// Text of at most `max` bytes.
pub(super) fn short_text(
    read: Read<text::Reader<'_>>,
    max: u32,
    field: &'static str,
) -> Result<String, WireError> {
    let text = text(read, field)?;
    at_most_bytes(text, max, field)?;
    Ok(text.to_owned())
}

/// The number, which is not zero.
pub(super) fn from_one<T: Copy + Default + PartialEq>(
    number: T,
    field: &'static str,
) -> Result<T, WireError> {
    if number == T::default() {
        return Err(WireError::new(field, WireFault::Empty));
    }
    Ok(number)
}

/// Passes if there are at most `max` items.
pub(super) fn at_most_items(actual: u32, max: u32, field: &'static str) -> Result<(), WireError> {
    at_most((actual.into(), max.into()), "items", field)
}

/// Passes if the text has at most `max` bytes.
pub(super) fn at_most_bytes(text: &str, max: u32, field: &'static str) -> Result<(), WireError> {
    at_most((text.len() as u64, max.into()), "bytes", field)
}

fn at_most(
    (actual, max): (u64, u64),
    unit: &'static str,
    field: &'static str,
) -> Result<(), WireError> {
    if actual > max {
        let fault = WireFault::TooMany { actual, max, unit };
        return Err(WireError::new(field, fault));
    }
    Ok(())
}

/// Each item of a list of at most `max`, counted before anything is allocated for them.
pub(super) fn items<'a, Item: OwnedStruct, T>(
    read: Read<struct_list::Reader<'a, Item>>,
    max: usize,
    field: &'static str,
    read_item: impl Fn(Item::Reader<'a>) -> Result<T, WireError>,
) -> Result<Vec<T>, WireError> {
    let list = got(read, field)?;
    at_most((list.len().into(), max as u64), "items", field)?;
    list.iter()
        .enumerate()
        .map(|(index, item)| read_item(item).map_err(|error| error.at(index)))
        .collect()
}

/// A time that may be none, which is zero on the wire.
pub(super) fn optional_time(ms: u64) -> Option<UnixMs> {
    (ms != 0).then_some(UnixMs::new(ms))
}

/// The time in a message, zero for none.
pub(super) fn time_or_zero(time: Option<UnixMs>) -> u64 {
    time.unwrap_or_default().get()
}

/// The length of a list that goes into a message.
///
/// # Panics
///
/// If it is no length of a list; the limits keep every list far below.
pub(super) fn list_len(len: usize) -> u32 {
    u32::try_from(len).expect("limits keep lists below 2³² items")
}

/// Addresses in a message: as many as the text of a ref may hold.
const ADDRESSES_MAX: u32 = 16;
/// Bytes of an address: `https:`, a host name of 253 bytes, a colon and a port.
const ADDRESS_BYTES_MAX: u32 = 265;

/// At least one address.
pub(super) fn addresses(
    read: Read<text_list::Reader<'_>>,
    field: &'static str,
) -> Result<Vec<String>, WireError> {
    let list = got(read, field)?;
    at_most_items(from_one(list.len(), field)?, ADDRESSES_MAX, field)?;
    let mut addresses = Vec::new();
    for (index, address) in list.iter().enumerate() {
        let address = short_text(address, ADDRESS_BYTES_MAX, field).and_then(|address| {
            from_one(address.len(), field)?;
            Ok(address)
        });
        addresses.push(address.map_err(|error| error.at(index))?);
    }
    Ok(addresses)
}

/// Fills a list of addresses.
pub(super) fn write_addresses(addresses: &[String], mut builder: text_list::Builder<'_>) {
    for (index, address) in (0..).zip(addresses) {
        builder.set(index, address);
    }
}
