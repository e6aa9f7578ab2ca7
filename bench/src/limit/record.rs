//! Records: how ops lie in the log of the limit server, and how subscribers get them.
//!
//! A record is its length after these four bytes, a checksum of all that follows, the op's number, its id
//! and its payload, little-endian. From a log of these each op that was acked could be found again, and
//! the end of what was written be told from what was torn.

use super::frame::{FrameError, ID_BYTES, Op};

const NUMBER_AT: usize = 4 + 4;
/// What stands before a payload.
const HEADER_BYTES: usize = NUMBER_AT + 8 + ID_BYTES;

/// Writes the record of an op behind others.
pub(crate) fn write(log: &mut Vec<u8>, number: u64, op: Op<'_>) {
    let length = HEADER_BYTES - 4 + op.payload.len();
    let length = u32::try_from(length).expect("an op is shorter than its frame");
    let begin = log.len();
    log.reserve(HEADER_BYTES + op.payload.len());
    log.extend_from_slice(&length.to_le_bytes());
    log.extend_from_slice(&[0; 4]);
    log.extend_from_slice(&number.to_le_bytes());
    log.extend_from_slice(op.id);
    log.extend_from_slice(op.payload);
    let checksum = crc32fast::hash(&log[begin + NUMBER_AT..]);
    log[begin + 4..begin + NUMBER_AT].copy_from_slice(&checksum.to_le_bytes());
}

/// The number of the op of a record, from its length on.
pub(crate) fn number(record: &[u8]) -> Result<u64, FrameError> {
    let number = record
        .get(NUMBER_AT..HEADER_BYTES)
        .and_then(<[u8]>::first_chunk);
    let number = number.ok_or(FrameError::Cut {
        bytes: record.len(),
    })?;
    Ok(u64::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_its_length_checksum_number_id_and_payload() {
        let mut log = b"before".to_vec();
        let op = Op {
            id: b"0123456789abcdef",
            payload: b"payload",
        };
        write(&mut log, 258, op);
        let expected = [
            &b"before"[..],
            &[35, 0, 0, 0],
            // `zlib.crc32` of Python of all that follows.
            &0x1634_e76a_u32.to_le_bytes(),
            &[2, 1, 0, 0, 0, 0, 0, 0],
            b"0123456789abcdef",
            b"payload",
        ];
        assert_eq!(log, expected.concat());
        assert_eq!(number(&log[6..]), Ok(258));
        assert_eq!(number(&log[6..6 + 31]), Err(FrameError::Cut { bytes: 31 }));
    }
}
