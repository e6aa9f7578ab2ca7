use super::*;

const LIMITS: FrameLimits = FrameLimits {
    message_bytes_max: 64,
    segments_max: 4,
};

/// A header for segments of so many words.
fn header(words: &[u32]) -> Vec<u8> {
    let others = u32::try_from(words.len()).unwrap() - 1;
    let mut bytes = others.to_le_bytes().to_vec();
    bytes.extend(words.iter().flat_map(|words| words.to_le_bytes()));
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

fn feed_all(reader: &mut FrameReader, mut bytes: &[u8]) -> Result<(), FrameError> {
    while !bytes.is_empty() {
        let taken = reader.feed(bytes)?;
        assert!(taken > 0, "{} bytes are left over", bytes.len());
        bytes = &bytes[taken..];
    }
    Ok(())
}

#[test]
fn a_message_that_comes_byte_by_byte_is_the_same_message() {
    let mut bytes = header(&[1, 0, 2]);
    let body: Vec<u8> = (1..=24).collect();
    bytes.extend(&body);
    let mut reader = FrameReader::new(LIMITS);
    for (at, byte) in bytes.iter().enumerate() {
        assert_eq!(reader.received(), at);
        assert!(reader.take().is_none());
        assert_eq!(reader.feed(&[*byte]), Ok(1));
    }
    assert_eq!(reader.announced(), Some(40));
    let frame = reader.take().unwrap();
    assert_eq!((frame.len(), frame.bytes()), (3, 40));
    assert_eq!(frame.get_segment(0), Some(&body[..8]));
    assert_eq!(frame.get_segment(1), Some(&[][..]));
    assert_eq!(frame.get_segment(2), Some(&body[8..]));
    assert_eq!(frame.get_segment(3), None);
    assert_eq!(reader.received(), 0);
}

#[test]
fn bytes_are_taken_to_the_end_of_the_header_and_then_of_the_message() {
    let mut bytes = header(&[1]);
    bytes.extend([7; 8]);
    bytes.extend(header(&[0]));
    let mut reader = FrameReader::new(LIMITS);
    assert_eq!(reader.feed(&bytes), Ok(8));
    assert_eq!(reader.announced(), Some(16));
    assert_eq!(reader.feed(&bytes[8..]), Ok(8));
    assert_eq!(reader.feed(&bytes[16..]), Ok(0));
    assert_eq!(reader.take().unwrap().get_segment(0), Some(&[7; 8][..]));
    assert_eq!(reader.feed(&bytes[16..]), Ok(8));
    assert_eq!(reader.take().unwrap().get_segment(0), Some(&[][..]));
}

#[test]
fn a_message_has_so_many_bytes_and_not_one_word_more() {
    let mut reader = FrameReader::new(LIMITS);
    // 16 bytes of header and 6 words are 64 bytes.
    assert_eq!(feed_all(&mut reader, &header(&[3, 3])), Ok(()));
    assert_eq!(reader.announced(), Some(64));

    let mut reader = FrameReader::new(LIMITS);
    let too_large = Err(FrameError::TooLarge {
        announced: 72,
        max: 64,
    });
    assert_eq!(feed_all(&mut reader, &header(&[3, 4])), too_large);
    assert_eq!(reader.feed(&[0]).map(drop), too_large);
}

#[test]
fn the_largest_numbers_that_a_header_can_hold_are_refused() {
    let mut reader = FrameReader::new(LIMITS);
    assert_eq!(
        reader.feed(&[255; 8]),
        Err(FrameError::TooManySegments {
            announced: 1 << 32,
            max: 4
        })
    );
    let mut reader = FrameReader::new(LIMITS);
    assert_eq!(
        feed_all(&mut reader, &header(&[u32::MAX])),
        Err(FrameError::TooLarge {
            announced: 8 + 8 * u64::from(u32::MAX),
            max: 64
        })
    );
}

#[test]
fn a_message_has_so_many_segments_and_not_one_more() {
    let mut reader = FrameReader::new(LIMITS);
    assert_eq!(feed_all(&mut reader, &header(&[1, 1, 1, 1])), Ok(()));
    assert_eq!(reader.announced(), Some(24 + 32));

    let mut reader = FrameReader::new(LIMITS);
    assert_eq!(
        reader.feed(&header(&[0; 5])),
        Err(FrameError::TooManySegments {
            announced: 5,
            max: 4
        })
    );
}

#[test]
fn memory_follows_what_came_and_not_what_was_announced() {
    let limits = FrameLimits {
        message_bytes_max: 64 << 20,
        segments_max: 512,
    };
    let mut reader = FrameReader::new(limits);
    let announced = header(&[(32 << 20) / 8]);
    assert_eq!(reader.feed(&announced), Ok(8));
    assert_eq!(reader.announced(), Some((32 << 20) + 8));
    assert_eq!(reader.capacity(), 0);
    for came in 1..=1000 {
        assert_eq!(reader.feed(&[1; 1000]), Ok(1000));
        let capacity = reader.capacity();
        assert!(
            capacity <= 2 * 1000 * came,
            "{capacity} bytes for {came}000"
        );
    }
}

#[test]
fn a_message_that_comes_at_once_has_no_memory_to_spare() {
    let mut bytes = header(&[5]);
    bytes.extend([1; 40]);
    let mut reader = FrameReader::new(LIMITS);
    feed_all(&mut reader, &bytes).unwrap();
    assert_eq!(reader.capacity(), 40);
}
