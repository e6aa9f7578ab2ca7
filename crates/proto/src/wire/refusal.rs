//! Refusals and the facts that come with them.

use capnp::NotInSchema;

use share_model::{Chain, HistoryId, Refusal, RefusalCode, RefusalDetail, Seq};

use super::error::{WireError, WireFault};
use super::field::{bytes, got, text};
use crate::refusal_capnp::refusal::{self, Code};

/// Reads a refusal. A code that this version does not know reads as `invalidRequest`, facts that
/// it does not know as none.
///
/// # Errors
///
/// If a field is malformed or the code was never set.
pub fn read_refusal(reader: refusal::Reader<'_>) -> Result<Refusal, WireError> {
    let retry_after_ms = reader.get_retry_after_ms();
    Ok(Refusal {
        code: read_code(reader.get_code())?,
        message: text(reader.get_message(), "refusal.message")?.to_owned(),
        retry_after_ms: (retry_after_ms != 0).then_some(retry_after_ms),
        detail: read_detail(reader.get_detail())?,
    })
}

/// Fills a refusal.
pub fn write_refusal(refusal: &Refusal, mut builder: refusal::Builder<'_>) {
    builder.set_code(code(refusal.code));
    builder.set_message(&refusal.message);
    builder.set_retry_after_ms(refusal.retry_after_ms.unwrap_or(0));
    let mut detail = builder.init_detail();
    match refusal.detail {
        RefusalDetail::None => detail.set_none(()),
        RefusalDetail::Expected(seq) => detail.set_expected(seq.get()),
        RefusalDetail::History {
            history,
            floor,
            highest,
            chain,
        } => {
            let mut builder = detail.init_history();
            builder.set_history(&history.to_bytes());
            builder.set_floor(floor.get());
            builder.set_highest(highest.get());
            builder.set_chain(&chain.to_bytes());
        }
        RefusalDetail::Limit { seq, actual, max } => {
            let mut limit = detail.init_limit();
            limit.set_seq(seq.get());
            limit.set_actual(actual);
            limit.set_max(max);
        }
    }
}

fn read_detail(reader: refusal::detail::Reader<'_>) -> Result<RefusalDetail, WireError> {
    Ok(match reader.which() {
        Ok(refusal::detail::None(())) | Err(NotInSchema(_)) => RefusalDetail::None,
        Ok(refusal::detail::Expected(seq)) => RefusalDetail::Expected(Seq::new(seq)),
        Ok(refusal::detail::History(history)) => {
            let reader = got(history, "refusal.detail.history")?;
            let history = bytes(reader.get_history(), "refusal.detail.history")?;
            let chain = bytes(reader.get_chain(), "refusal.detail.chain")?;
            RefusalDetail::History {
                history: HistoryId::from_bytes(history),
                floor: Seq::new(reader.get_floor()),
                highest: Seq::new(reader.get_highest()),
                chain: Chain::from_bytes(chain),
            }
        }
        Ok(refusal::detail::Limit(limit)) => {
            let limit = got(limit, "refusal.detail.limit")?;
            RefusalDetail::Limit {
                seq: Seq::new(limit.get_seq()),
                actual: limit.get_actual(),
                max: limit.get_max(),
            }
        }
    })
}

/// A code where there may be none.
pub(super) fn read_optional_code(
    code: Result<Code, NotInSchema>,
) -> Result<Option<RefusalCode>, WireError> {
    match code {
        Ok(Code::Unset) => Ok(None),
        code => read_code(code).map(Some),
    }
}

macro_rules! codes {
    ($($name:ident),* $(,)?) => {
        fn read_code(code: Result<Code, NotInSchema>) -> Result<RefusalCode, WireError> {
            match code {
                Ok(Code::Unset) => Err(WireError::new("refusal.code", WireFault::Unset)),
                $(Ok(Code::$name) => Ok(RefusalCode::$name),)*
                Err(NotInSchema(_)) => Ok(RefusalCode::InvalidRequest),
            }
        }

        const KNOWN: &[RefusalCode] = &[$(RefusalCode::$name),*];

        pub(super) fn code(code: RefusalCode) -> Code {
            match code {
                $(RefusalCode::$name => Code::$name,)*
                // The model's enum is open; the constant below keeps this arm from being taken.
                _ => Code::InvalidRequest,
            }
        }
    };
}

codes! {
    NotAuthorized, StaleEpoch, Revoked, Expired, RightMissing, QuotaExceeded, Frozen, Gone,
    HistoryChanged, WriterFenced, WriterForked, AlreadySettled, OutOfOrder, WindowExceeded,
    WritersExhausted, RequeueLimit, AbandonLimit, KeyTooLong, ValueTooLarge, BatchTooLarge,
    DocumentTooLarge, InvalidRequest, VersionUnsupported,
}

/// A code of the model without a place in the schema does not compile.
const _: () = assert!(KNOWN.len() == RefusalCode::ALL.len());
